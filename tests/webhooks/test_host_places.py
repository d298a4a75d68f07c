"""What one organization has under way to one host and port, however many endpoints and workers; how many endpoints."""

import threading
import time
from typing import Any

import pytest

from apps.base.errors import Conflict
from apps.orgs.models import Organization
from apps.webhooks.engine import claims
from apps.webhooks.engine.claims.rows import target_of
from apps.webhooks.models import Delivery, Endpoint
from tests.engines import LOOPBACK, add_deliveries, engine, in_threads, make_endpoint, publish, result_of
from tests.receivers import Receiver

HOST = "https://one.example"


def fill(organization: Organization, endpoints: int, each: int, url: str = HOST, **values: Any) -> list[Endpoint]:
    made = [make_endpoint(organization, f"{url}/{number}", "invoice.paid", **values) for number in range(endpoints)]
    for endpoint in made:
        add_deliveries(endpoint, each)
    return made


def by_host(claimed: list[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in claimed:
        host = str(target_of(each.endpoint.url))
        found[host] = found.get(host, 0) + 1
    return found


@pytest.mark.pure
@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://one.example/in", "one.example:443"),
        ("https://one.example:8443/in?x=1:2", "one.example:8443"),
        ("http://127.0.0.1/", "127.0.0.1:80"),
        ("https://[2001:db8::1]/", "[2001:db8::1]:443"),
        ("https://[2001:db8::1]:8443/", "[2001:db8::1]:8443"),
        ("inbox:test", None),
    ],
)
def test_a_host_and_its_port(url: str, target: str | None) -> None:
    assert target_of(url) == target


@pytest.mark.django_db
def test_one_host_gets_no_more_whatever_the_number_of_endpoints(
    acme: Organization, rival: Organization, settings: Any
) -> None:
    settings.WEBHOOK_HOST_IN_FLIGHT = 10
    mine = fill(acme, 6, 5)
    fill(acme, 2, 5, "https://one.example:8443")
    fill(rival, 3, 5)
    claimed = claims.claim(100)
    of_acme = [each for each in claimed if each.endpoint.organization_id == acme.pk]
    assert by_host(of_acme) == {"one.example:443": 10, "one.example:8443": 10}
    assert len(claimed) - len(of_acme) == 10
    # Endpoints in turn: none of the six is passed over for another's second.
    assert len({each.endpoint.id for each in of_acme} & {each.pk for each in mine}) == 6
    assert claims.claim(100) == []
    claims.finish([result_of(each) for each in of_acme if each.endpoint.url.startswith(f"{HOST}/")][:4])
    assert by_host(claims.claim(100)) == {"one.example:443": 4}
    assert not Delivery.objects.filter(status="succeeded").exclude(sending_to=None).exists()


@pytest.mark.django_db
def test_changing_the_url_frees_no_concurrency_slot_at_the_old_host(acme: Organization, settings: Any) -> None:
    settings.WEBHOOK_HOST_IN_FLIGHT = 4
    first, second = fill(acme, 2, 8)
    assert len(claims.claim(100)) == 4
    Endpoint.objects.filter(pk=first.pk).update(url="https://two.example/in")
    assert by_host(claims.claim(100)) == {"two.example:443": 4}
    Endpoint.objects.filter(pk=second.pk).update(url="https://three.example/in")
    Endpoint.objects.filter(pk=first.pk).update(url=f"{HOST}/in")
    assert by_host(claims.claim(100)) == {"three.example:443": 4}
    Delivery.objects.filter(status="sending").update(lease_until="2020-01-01T00:00Z")
    claims.release_expired()
    assert not Delivery.objects.exclude(sending_to=None).exists() and len(claims.claim(100)) == 8


@pytest.mark.django_db
def test_those_that_fail_leave_places_to_the_others_there(acme: Organization, settings: Any) -> None:
    settings.WEBHOOK_HOST_IN_FLIGHT = 10
    failing = fill(acme, 8, 4)
    Endpoint.objects.filter(pk__in=[each.pk for each in failing]).update(failures_in_a_row=5)
    healthy = fill(acme, 2, 20, f"{HOST}/healthy")
    first = claims.claim(100)
    slow = [each for each in first if each.endpoint.is_struggling]
    assert len(first) == 10 and len(slow) == 4
    claims.finish([result_of(each) for each in first if not each.endpoint.is_struggling])
    again = claims.claim(100)
    assert len(again) == 6 and {each.endpoint.id for each in again} <= {each.pk for each in healthy}


@pytest.mark.django_db(transaction=True)
def test_many_workers_share_the_concurrency_slots_of_a_host(acme: Organization, settings: Any) -> None:
    settings.WEBHOOK_HOST_IN_FLIGHT = 20
    fill(acme, 12, 6)
    found = in_threads(8, lambda _number: [claims.claim(8) for _ in range(3)])
    assert sum(len(each) for rounds in found for each in rounds) == 20
    assert Delivery.objects.filter(status="sending").count() == 20


@pytest.mark.django_db(transaction=True)
def test_a_receiver_sees_no_more_at_once_and_gets_all(acme: Organization, settings: Any, receiver: Receiver) -> None:
    settings.WEBHOOK_ALLOW_CIDRS, settings.WEBHOOK_HOST_IN_FLIGHT = LOOPBACK, 6
    lock, now, most = threading.Lock(), 0, 0

    def count(connection: Any, request: Any) -> bool:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.02)
        with lock:
            now -= 1
        connection.sendall(b"HTTP/1.1 204 X\r\n\r\n")
        return True

    receiver.behaviour = count
    fill(acme, 10, 6, receiver.url.rstrip("/"))
    engine().run_until_idle()
    assert Delivery.objects.filter(status="succeeded").count() == 60 and most <= 6


@pytest.mark.django_db
def test_an_organization_has_fifty_endpoints_unless_operators_say_otherwise(acme: Organization, settings: Any) -> None:
    assert settings.WEBHOOK_ENDPOINTS == 50 and settings.WEBHOOK_HOST_IN_FLIGHT == 64
    settings.WEBHOOK_ENDPOINTS = 2
    first, _second = make_endpoint(acme), make_endpoint(acme)
    with pytest.raises(Conflict, match="limit of 2"):
        make_endpoint(acme)
    acme.endpoint_limit = 3
    acme.save()
    make_endpoint(acme)
    Endpoint.objects.filter(pk=first.pk).update(deleted_at="2026-01-01T00:00Z")
    make_endpoint(acme)
    acme.endpoint_limit, settings.WEBHOOK_ENDPOINTS = None, 0
    acme.save()
    assert make_endpoint(acme).pk


@pytest.mark.django_db(transaction=True)
def test_of_many_that_are_made_at_once_the_last_place_is_taken_once(acme: Organization, settings: Any) -> None:
    settings.WEBHOOK_ENDPOINTS = 5

    def make(number: int) -> bool:
        try:
            make_endpoint(acme, f"https://hooks.example.com/{number}")
        except Conflict as refused:
            assert refused.code == "endpoint_limit_reached"
            return False
        return True

    assert sum(in_threads(12, make)) == 5 == Endpoint.objects.count()


@pytest.mark.django_db
def test_the_usage_page_tells_what_events_became(browser_of: Any, acme: Organization, vera: Any) -> None:
    for number in range(3):
        make_endpoint(acme, f"https://hooks.example.com/{number}")
    publish(acme)
    publish(acme)
    publish(acme, "invoice.paid", data={})
    page = browser_of(vera).get("/o/acme/settings/integration/usage/").content.decode()
    assert "Events: 3 · Deliveries they created: 6 · Most for a single event: 3" in page

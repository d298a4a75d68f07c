"""The parts of the overview, who sees them, and that a failing part does not break the page."""

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.api_keys.models import ApiKey
from apps.audit.models import LastUse
from apps.base.identifiers import uuid_at
from apps.base.permissions import Permission
from apps.notices import actions as notices
from apps.orgs.models import Organization, OrganizationStatus
from apps.webhooks.models import Attempt, Delivery, DeliveryStatus, Endpoint, EndpointHealth, EndpointStatus
from tests.conftest import Key
from tests.engines import make_endpoint, publish

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/integration/"


@pytest.fixture
def page(browser_of: Any) -> Callable[..., str]:
    def read(user: Any, query: str = "") -> str:
        return html.unescape(browser_of(user).get(HERE + query).content.decode())

    return read


def change(key: Key, **values: Any) -> None:
    ApiKey.objects.filter(pk=key.row.pk).update(**values)


def in_days(days: float) -> Any:
    return timezone.now() + timedelta(days=days)


# Needs attention


def test_all_well_says_so(acme, ada, page):
    assert "Acme Travel · nothing needs attention" in page(ada)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"expires_at": in_days(5.5)}, "“Acme's key” expires in 6 days"),
        ({"expires_at": in_days(0.5)}, "“Acme's key” expires in 1 day"),
        ({"expires_at": in_days(-1)}, "“Acme's key” expired on"),
        ({"quarantined_at": in_days(-1)}, "The API key “Acme's key” is in quarantine"),
        ({"created_at": in_days(-31)}, "“Acme's key” was never used"),
    ],
)
def test_a_key_that_needs_somebody(acme, ada, acme_key, page, values, words):
    change(acme_key, **values)
    text = page(ada)
    assert words in text and "one thing needs attention" in text


@pytest.mark.parametrize(
    "values",
    [{"expires_at": in_days(15)}, {"expires_at": in_days(-15)}, {"created_at": in_days(-29)},
     {"expires_at": in_days(5), "revoked_at": in_days(-1)}, {"created_at": in_days(-31), "disabled_at": in_days(-1)}],
)  # fmt: skip
def test_a_key_that_needs_nobody(acme, ada, acme_key, page, values):
    change(acme_key, **values)
    assert "nothing needs attention" in page(ada)


def test_a_used_key_is_not_unused(acme, ada, acme_key, page):
    change(acme_key, created_at=in_days(-31))
    LastUse.objects.create(credential_id=acme_key.row.pk, at=timezone.now())
    assert "nothing needs attention" in page(ada)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"health": EndpointHealth.FAILING, "failures_in_a_row": 37}, "hooks.acme.example is failing"),
        ({"status": EndpointStatus.DISABLED, "disabled_reason": "failing"}, "hooks.acme.example is disabled"),
        ({"status": EndpointStatus.PAUSED}, "hooks.acme.example is paused"),
    ],
)
def test_an_endpoint_that_needs_somebody(acme, vera, page, values, words):
    make_endpoint(acme, "https://hooks.acme.example/in")
    Endpoint.objects.update(**values)
    assert words in page(vera)


def test_the_step_that_helps_is_for_who_may_take_it(acme, ada, dev, acme_key, page):
    change(acme_key, expires_at=in_days(3))
    assert "/rotate/" in page(ada) and "/rotate/" not in page(dev) and acme_key.row.public_id in page(dev)


def test_notices_of_other_things_stand_here_for_who_may_act(acme, ada, dev, page):
    told = {"kind": "api_key.leaked", "severity": "bad", "params": {"name": "Export"}, "permission": "api_keys:write"}
    notices.notify(organization_id=acme.pk, dedupe_key="leak", **told)
    assert "“Export” is public" in page(ada) and "“Export” is public" not in page(dev)


def test_what_the_state_tells_is_not_told_twice(acme, dev, page):
    make_endpoint(acme, "https://hooks.acme.example/in")
    Endpoint.objects.update(health=EndpointHealth.FAILING)
    params, may = {"host": "hooks.acme.example", "failures": 10}, Permission.WEBHOOKS_WRITE
    told = {"kind": "endpoint.failing", "params": params, "permission": may, "severity": "warn"}
    notices.notify(organization_id=acme.pk, dedupe_key="x", **told)
    assert page(dev).count("hooks.acme.example is failing</b>") == 1


def test_there_are_six_and_the_way_to_the_rest(acme, ada, page):
    for number in range(9):
        make_endpoint(acme, f"https://h{number}.example/")
    Endpoint.objects.update(health=EndpointHealth.FAILING)
    short, long = page(ada), page(ada, "?attention=all")
    assert "Acme Travel · 9 things need attention" in short and "and 3 more" in short
    assert (short.count("is failing</b>"), long.count("is failing</b>")) == (6, 9) and "and 3 more" not in long


def test_problems_of_another_organization_are_not_shown(acme, rival, ada, rival_key, page):
    change(rival_key, expires_at=in_days(3))
    make_endpoint(rival, "https://rival.example/")
    Endpoint.objects.update(health=EndpointHealth.FAILING)
    assert "nothing needs attention" in page(ada)


# Figures


def test_a_new_organization_sees_the_steps_and_no_zeros(acme, ada, page):
    text = page(ada)
    assert "0 of 5" in text and "Deliveries, 24 h" not in text and 'class="stats"' not in text


def attempts(acme: Organization, url: str, *durations: float) -> None:
    endpoint = make_endpoint(acme, url)
    event = publish(acme)
    delivery = Delivery.objects.filter(endpoint=endpoint).latest("pk")
    for number, duration in enumerate(durations):
        moment = timezone.now() - timedelta(minutes=number)
        Attempt.objects.create(
            pk=uuid_at(moment), organization=acme, delivery=delivery, endpoint_id=endpoint.pk, number=number + 1,
            started_at=moment, finished_at=moment, duration_ms=duration,
        )  # fmt: skip
    assert event


def test_the_figures_of_a_day(acme, ada, page, api, acme_key):
    api(acme_key).get("/v1/me")
    attempts(acme, "https://fast.example/", *[20.0] * 19)
    attempts(acme, "https://slow.example/", *[100.0] * 18, 1800.0, 1900.0)
    text = " ".join(page(ada).split())
    for label, value in (("API requests, 24 h", "1"), ("Deliveries, 24 h", "39"), ("Failed attempts", "0")):
        assert re.search(rf"{label}.*?<p class=\"v\">{value}</p>", text), label
    assert re.search(r"Slowest endpoint, p95.*?1\.8 <small>s</small>", text)
    assert "recent attempts at slow.example were no slower" in text


def test_too_few_attempts_make_no_slowest(acme, ada, page):
    attempts(acme, "https://slow.example/", 1.0, 2.0)
    assert "Deliveries, 24 h" in page(ada) and "Slowest" not in page(ada)


# The first steps


def done(text: str) -> list[str]:
    return re.findall(r'<li class="done">.*?<b>(.*?)</b>', text, re.DOTALL)


def test_the_steps_tick_from_what_happened(acme, ada, page, api, make_key):
    assert done(page(ada)) == []
    key = make_key(acme)
    assert done(page(ada)) == ["Create an API key"]
    api(key).get("/v1/me")
    assert done(page(ada))[1:] == ["Make a first call"]
    endpoint = make_endpoint(acme, "https://hooks.acme.example/in")
    assert done(page(ada))[2:] == ["Add a webhook endpoint"]
    assert f"{endpoint.public_id}/?tab=test" in page(ada)
    publish(acme)
    Delivery.objects.update(test=True, status=DeliveryStatus.SUCCEEDED)
    assert done(page(ada))[3:] == ["Verify a signature"]
    Endpoint.objects.update(last_success_at=timezone.now())
    assert "Get started" not in page(ada)


def test_a_viewer_sees_the_steps_without_buttons(acme, vera, page):
    text = page(vera)
    assert "Create an API key" in text and "/create/" not in text


# Activity and states


def test_recent_activity_is_for_who_may_read_the_audit_log(acme, dev, vera, acme_key, page):
    assert "created the API key Acme's key" in page(dev)
    assert "created the API key" not in page(vera) and "Recent activity" not in page(vera)


@pytest.mark.parametrize("part", ["attention.found", "statistics.stats", "statistics.balance_of", "first_steps.made",
                                  "newest_activity"])  # fmt: skip
def test_one_part_that_fails_leaves_the_others(acme, ada, acme_key, browser_of, monkeypatch, part):
    def fail(*_arguments: Any) -> None:
        raise DatabaseError("canary")

    change(acme_key, expires_at=in_days(3))
    monkeypatch.setattr(f"integrations_portal.overview.{part}", fail)
    answer = browser_of(ada).get(HERE)
    text = html.unescape(answer.content.decode())
    assert answer.status_code == 200 and "canary" not in text
    if part != "statistics.balance_of":
        assert "This part could not be loaded." in text and answer["X-Request-ID"] in text
    for other, words in (("attention.found", "expires in 3 days"), ("first_steps.made", "Create an API key"),
                         ("newest_activity", "Recent activity")):  # fmt: skip
        assert part == other or words in text, other


def test_a_suspended_organization_says_whom_to_ask(acme, ada, page, settings):
    settings.SUPPORT_CONTACT = "mailto:support@vendor.example"
    acme.status = OrganizationStatus.SUSPENDED
    acme.save()
    text = page(ada)
    assert "Acme Travel is suspended." in text and "403 organization_suspended" in text
    assert '<a href="mailto:support@vendor.example">support@vendor.example</a>' in text


def test_the_number_of_queries_does_not_grow(acme, ada, make_key, browser_of):
    browser = browser_of(ada)

    def grow(number: int) -> None:
        change(make_key(acme, name=f"k{number}"), expires_at=in_days(3))
        make_endpoint(acme, f"https://h{number}.example/")
        notices.notify(organization_id=acme.pk, kind="api_key.leaked", dedupe_key=str(number), severity="bad")
        publish(acme)

    def queries() -> int:
        with CaptureQueriesContext(connection) as found:
            assert browser.get(HERE).status_code == 200
        return len(found)

    grow(0)
    browser.get(HERE)
    before = queries()
    for number in range(1, 8):
        grow(number)
    assert queries() == before <= 32

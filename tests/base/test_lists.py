"""Pagination: links from PUBLIC_URL, ``next`` without gaps, cursors that are valid for one list only."""

import base64
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client, override_settings

from apps.base.identifiers import new_uuid
from apps.orgs.models import Membership
from apps.webhooks.models import EventType
from tests.conftest import Api
from tests.engines import make_endpoint, publish

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[2]


def links(answer: Any) -> dict[str, str]:
    """Return the path and query of each link by its relation."""
    found = re.findall(r'<https?://[^/>]*([^>]*)>; rel="(\w+)"', answer.headers.get("Link", ""))
    return {relation: path for path, relation in found}


def names(answer: Any) -> list[str]:
    return [each["name"] for each in answer.json()]


@pytest.fixture
def people(person, acme):
    return [person(f"P{number:02}", acme) for number in range(12)]


@override_settings(PUBLIC_URL="https://portal.example.com:8443", ALLOWED_HOSTS=["*"])
def test_links_start_with_the_public_url(admin_key, people):
    for host in ("portal.example.com", "evil.example:99", "10.0.0.7"):
        client = Client(headers={**admin_key.headers, "Host": host, "X-Forwarded-Proto": "https"})
        answer = client.get("/v1/users?limit=2&offset=4", headers={"X-Forwarded-Host": "other.example"}, secure=True)
        found = re.findall("<([^>]*)>", answer["Link"])
        assert [each.partition("?")[0] for each in found] == ["https://portal.example.com:8443/v1/users"] * 4


def test_no_address_is_made_of_the_request():
    """Behind a proxy the host of a request is not the public one."""
    sources = [path for top in ("apps", "integrations_portal") for path in (ROOT / top).rglob("*.py")]
    makers = {path.name for path in sources if re.search(r"build_absolute_uri|get_host\(|HTTP_HOST", path.read_text())}
    # It asks Django to refuse hosts that are not served, and makes nothing of the answer.
    assert makers == {"api_fast_path.py"} and "_host = " not in (ROOT / "apps/base/rest/api_fast_path.py").read_text()


def test_deleting_while_following_next_misses_nobody(api, admin_key, people, acme):
    answer, seen = api(admin_key).get("/v1/users?limit=5"), []
    while True:
        seen += names(answer)
        for row in answer.json():
            Membership.objects.get(organization=acme, user__name=row["name"]).delete()
        if "next" not in links(answer):
            break
        answer = api(admin_key).get(links(answer)["next"])
        assert answer["X-Total-Count"] == str(12 - len(seen))
    assert seen == [user.name for user in people]


def test_next_and_prev_lead_there_and_back(api, admin_key, people):
    walk = [api(admin_key).get("/v1/users?limit=5")]
    while "next" in links(walk[-1]):
        walk.append(api(admin_key).get(links(walk[-1])["next"]))
    assert [len(answer.json()) for answer in walk] == [5, 5, 2]
    assert [set(links(answer)) for answer in walk] == [
        {"first", "next", "last"}, {"first", "prev", "next", "last"}, {"first", "prev", "last"}]  # fmt: skip
    back = api(admin_key).get(links(walk[2])["prev"])
    assert names(back) == names(walk[1]) and {"prev", "next"} < set(links(back))
    first = api(admin_key).get(links(back)["prev"])
    assert names(first) == names(walk[0]) and "prev" not in links(first)
    assert names(api(admin_key).get(links(first)["next"])) == names(walk[1])
    assert names(api(admin_key).get(links(back)["last"])) == ["P10", "P11"]
    assert names(api(admin_key).get(links(back)["first"])) == names(walk[0])


def test_a_list_by_name_goes_on_after_a_name(api, admin_key):
    answer, seen = api(admin_key).get("/v1/event-types?limit=7"), []
    while True:
        seen += names(answer)
        EventType.objects.filter(name__in=[name for name in names(answer) if name == "order.created"]).delete()
        if "next" not in links(answer):
            break
        answer = api(admin_key).get(links(answer)["next"])
    assert len(seen) == len(set(seen)) == EventType.objects.count() + 1


def test_offset_still_counts_and_is_not_sent_with_a_cursor(api, admin_key, people):
    answer = api(admin_key).get("/v1/users?limit=5&offset=5")
    assert names(answer) == ["P05", "P06", "P07", "P08", "P09"]
    assert links(answer)["prev"] == "/v1/users?limit=5&offset=0" and "cursor=" in links(answer)["next"]
    both = api(admin_key).get(links(answer)["next"] + "&offset=5")
    assert both.status_code == 400 and list(both.json()["fields"]) == ["cursor"]


@pytest.fixture
def cursors(api, admin_key, acme, people, make_key) -> dict[str, str]:
    """Return a cursor of each of several lists."""
    endpoint = make_endpoint(acme)
    for _ in range(3):
        publish(acme, "order.created", data={"order_id": "ORD-1", "status": "placed"})
        make_key(acme)
    found = {}
    for path in (
        "/v1/users?limit=1", "/v1/api-keys?limit=1", "/v1/events?limit=1", "/v1/events?limit=1&type=order.created",
        "/v1/deliveries?limit=1", f"/v1/deliveries?limit=1&endpoint={endpoint.public_id}", "/v1/event-types?limit=1",
        "/v1/audit-log?limit=1", "/v1/deliveries?limit=1&status=pending,held",
    ):  # fmt: skip
        answer = api(admin_key).get(path)
        assert "next" in links(answer), path
        found[path] = re.search("cursor=([^&]+)", links(answer)["next"])[1]  # type: ignore[index]
    return found


def test_a_cursor_belongs_to_its_list_and_filters(api, admin_key, cursors):
    for path in cursors:
        for other, cursor in cursors.items():
            answer = api(admin_key).get(f"{path}&cursor={cursor}")
            assert answer.status_code == (200 if path == other else 400), (path, other)
            if path != other:
                assert list(answer.json()["fields"]) == ["cursor"] and "first page" in answer.json()["error"]


def test_a_cursor_belongs_to_its_organization(api, admin_key, cursors, rival, make_key):
    theirs = make_key(rival, "admin", type="internal")
    for path, cursor in cursors.items():
        if "endpoint=" not in path:
            assert api(theirs).get(f"{path}&cursor={cursor}").status_code == 400, path


def test_the_same_filters_may_be_written_in_another_way(api, admin_key, cursors):
    cursor = cursors["/v1/deliveries?limit=1&status=pending,held"]
    for query in ("status=held,pending", "status=held&status=pending", "limit=7&status=pending&status=held,held"):
        assert api(admin_key).get(f"/v1/deliveries/?{query}&cursor={cursor}").status_code == 200, query


def test_a_made_up_cursor_is_refused(api, admin_key, people):
    good = re.search("cursor=([^&]+)", links(api(admin_key).get("/v1/users?limit=1"))["next"])[1]  # type: ignore[index]
    old = base64.urlsafe_b64encode(str(new_uuid()).encode()).decode().rstrip("=")
    code = base64.urlsafe_b64encode(f">{new_uuid()}".encode()).decode().rstrip("=")
    for cursor in (
        old, good[:22], good[:-1], good + "A", ("B" if good[0] == "A" else "A") + good[1:],
        good[:22] + code, good[:22] + "!" * 9, "é", "\ufffd",
        "0", "-", good.upper(), good * 50, good + "\n", code, " " + good,
    ):  # fmt: skip
        answer = api(admin_key).get("/v1/users?" + urlencode({"limit": 1, "cursor": cursor}))
        assert answer.status_code == 400 and list(answer.json()["fields"]) == ["cursor"], cursor


def test_links_keep_every_word_of_a_filter(api, admin_key, cursors):
    answer = api(admin_key).get("/v1/deliveries?limit=1&status=pending&status=held")
    assert "status=pending&status=held" in links(answer)["next"]
    assert Api(admin_key).get(links(answer)["next"]).status_code == 200


def test_the_same_queries_whatever_the_page(api, admin_key, people, django_assert_max_num_queries):
    api(admin_key).get("/v1/users?limit=3")
    path = links(api(admin_key).get("/v1/users?limit=3&offset=3"))["next"]
    with django_assert_max_num_queries(8):
        assert len(api(admin_key).get(path).json()) == 3

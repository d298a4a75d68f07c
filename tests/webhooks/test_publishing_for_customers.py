"""Permissions to publish: platform keys for every organization; no key the portal's own types."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.orgs.models import Organization
from apps.webhooks.models import Event
from apps.webhooks.types.builtin_types import PORTAL_EVENTS
from tests.engines import DATA, make_endpoint, statuses

pytestmark = pytest.mark.django_db

BODY = {"type": "order.created", "data": DATA}


@pytest.fixture
def platform(api: Callable[..., Any], make_key: Any) -> Any:
    organization, _made = Organization.objects.get_or_create(slug="platform", defaults={"name": "Platform"})
    return api(make_key(organization, "events:write", type="platform"))


def published(organization: Organization) -> int:
    return Event.objects.filter(organization=organization).exclude(publisher="portal").count()


def test_each_event_of_a_batch_names_its_own_organization(
    platform: Any, acme: Organization, rival: Organization
) -> None:
    for organization in (acme, rival):
        make_endpoint(organization)
    events = [{**BODY, "organization": "acme"}, {**BODY, "organization": rival.public_id}]
    answer = platform.post("/v1/events/batch", {"events": events})
    assert answer.status_code == 202 and [each["deliveries"] for each in answer.json()["events"]] == [1, 1]
    assert (statuses(acme), statuses(rival)) == (["pending"], ["pending"])
    refused = platform.post("/v1/events/batch", {"events": [events[0], BODY]})
    assert refused.status_code == 400 and "events.1.organization" in refused.json()["fields"]
    assert (published(acme), published(rival)) == (1, 1)


@pytest.mark.parametrize("name", sorted(PORTAL_EVENTS))
def test_no_key_can_publish_the_portals_own_types(
    platform: Any, acme: Organization, admin_key: Any, api: Any, name: str
):
    data = PORTAL_EVENTS[name].sample
    own = api(admin_key).post("/v1/events", {"type": name, "data": data})
    theirs = platform.post("/v1/events", {"type": name, "data": data, "organization": "acme"})
    for answer in (own, theirs):
        assert answer.status_code == 400 and "type" in answer.json()["fields"]
    assert published(acme) == 0


def test_the_platform_itself_and_unknown_organizations_get_nothing(platform: Any) -> None:
    for name in ("platform", "nobody", "org_" + "0" * 22, "", None, 5):
        answer = platform.post("/v1/events", {**BODY, "organization": name})
        assert answer.status_code == 400 and "organization" in answer.json()["fields"], name


def test_ids_of_the_platform_and_of_an_organization_do_not_meet(
    platform: Any, acme: Organization, admin_key: Any, api: Any
) -> None:
    first = platform.post("/v1/events", {**BODY, "organization": "acme", "id": "one"}).json()
    again = platform.post("/v1/events", {**BODY, "organization": acme.public_id, "id": "one"}).json()
    own = api(admin_key).post("/v1/events", {**BODY, "id": "one"}).json()
    assert first["id"] == again["id"] != own["id"] and published(acme) == 2


def test_a_key_of_an_organization_publishes_for_no_other(admin_key: Any, api: Any, rival: Organization) -> None:
    answer = api(admin_key).post("/v1/events", {**BODY, "organization": "rival"})
    assert answer.status_code == 400 and "organization" in answer.json()["fields"]
    assert published(rival) == 0

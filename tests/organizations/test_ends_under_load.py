"""Suspending and closing while twenty others call: what starts afterwards is refused, nothing slips out beside it."""

import threading
import time
from collections import Counter

import pytest

from apps.api_keys.models import ApiKey
from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.errors import PortalError
from apps.orgs.lifecycle import closing, suspension
from apps.orgs.models import Organization
from apps.orgs.settings import organization_settings
from apps.webhooks import actions as webhooks
from apps.webhooks import publishing
from apps.webhooks.models import Delivery, Endpoint
from tests.engines import DATA, in_threads
from tests.organizations.forms import OPERATOR, actor_of

CALLERS = 20
CALLS = 6


def while_calling(make, end):
    """Have twenty threads call, and one end it in the midst; returns start and outcome of each call, and when."""
    started, ended = threading.Barrier(CALLERS + 1), []

    def work(number):
        started.wait()
        if number == CALLERS:
            time.sleep(0.05)
            end()
            ended.append(time.monotonic())
            return []
        return [(time.monotonic(), make()) for _ in range(CALLS)]

    calls = [call for found in in_threads(CALLERS + 1, work) for call in found]
    return calls, ended[0]


@pytest.mark.django_db(transaction=True)
def test_no_call_that_starts_after_the_suspension_is_let_in(api, acme, acme_key):
    webhooks.create_endpoint(actor=system(acme.pk), url="https://a.example/in", event_types=["order.*"])
    event = {"type": "order.created", "data": DATA}

    def post():
        answer = api(acme_key).post("/v1/events", event)
        return answer.status_code, answer.json().get("code", "")

    def suspend():
        suspension.suspend_organization(actor=OPERATOR, organization_id=acme.pk, reason="unpaid")

    calls, ended = while_calling(post, suspend)
    late = Counter(outcome for at, outcome in calls if at > ended)
    assert set(late) <= {(403, "organization_suspended"), (429, "rate_limited")} and late
    accepted = sum(outcome == (202, "") for _at, outcome in calls)
    assert Delivery.objects.count() == accepted
    suspension.resume_organization(actor=OPERATOR, organization_id=acme.pk)
    assert Delivery.objects.filter(status="pending").count() == accepted


@pytest.mark.django_db(transaction=True)
def test_what_is_published_while_it_is_suspended_and_resumed_is_never_stuck(acme):
    webhooks.create_endpoint(actor=system(acme.pk), url="https://a.example/in", event_types=["order.*"])

    def publish():
        return publishing.publish(organization_id=acme.pk, event_type="order.created", data=DATA).deliveries

    def blink():
        for _ in range(3):
            suspension.suspend_organization(actor=OPERATOR, organization_id=acme.pk, reason="unpaid")
            suspension.resume_organization(actor=OPERATOR, organization_id=acme.pk)

    calls, _ended = while_calling(publish, blink)
    assert sum(count for _at, count in calls) == CALLERS * CALLS
    assert Counter(Delivery.objects.values_list("status", flat=True)) == {"pending": CALLERS * CALLS}


@pytest.mark.django_db(transaction=True)
def test_closing_while_others_post_leaves_nothing_that_works(api, acme, ada, admin_key, settings):
    settings.AUTH_FAILURES_PER_MINUTE = 0
    body = {"name": "x", "type": "internal", "scopes": ["events:write"]}
    made = []

    def post():
        answer = api(admin_key).post("/v1/api-keys", body)
        if answer.status_code == 201:
            made.append(answer.json()["key"])
        return answer.status_code

    def close():
        closing.close_organization(actor=actor_of(ada, acme, "owner"), name="Acme Travel")

    calls, ended = while_calling(post, close)
    assert {status for at, status in calls if at > ended} <= {401, 403}
    for text in made:
        answer = api(text).get("/v1/me")
        assert (answer.status_code, answer.json()["code"]) in [
            (401, "revoked_api_key"),
            (403, "organization_suspended"),
        ]
    assert AuditEntry.objects.filter(action="organization.closed").count() == 1
    closing.reopen_organization(actor=OPERATOR, organization_id=acme.pk)
    assert not ApiKey.objects.filter(organization=acme).live().exists()


@pytest.mark.django_db(transaction=True)
def test_ten_owners_close_it_once(acme, person):
    owners = [actor_of(person(f"Owner{number}", acme, "owner"), acme, "owner") for number in range(10)]
    Endpoint.objects.all().delete()

    def close(number):
        try:
            closing.close_organization(actor=owners[number], name="Acme Travel")
        except PortalError as error:
            return error.code
        return "closed"

    assert Counter(in_threads(10, close)) == {"closed": 1, "conflict": 9}
    assert AuditEntry.objects.filter(action="organization.closed").count() == 1


@pytest.mark.django_db(transaction=True)
def test_ten_tabs_save_the_same_version_once(acme, ada):
    actor = actor_of(ada, acme, "owner")

    def save(number):
        try:
            organization_settings.update_settings(actor=actor, version=0, name=f"Acme {number}")
        except PortalError as error:
            return error.code
        return "saved"

    assert Counter(in_threads(10, save)) == {"saved": 1, "conflict": 9}
    assert Organization.objects.get(pk=acme.pk).settings_version == 1

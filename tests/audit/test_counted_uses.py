"""What the hourly figures keep of a call: agent, scopes, the newest; and the other keys that it counts for."""

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine

from apps.audit.calls import store
from apps.audit.calls.recording import record_additional_use, record_call
from apps.audit.models import ApiCall, LastUse, UsageDay, UsageHour
from apps.base.rest.request_identity import AuthResult
from apps.credentials.key_status import STATUSES, KeyStatus
from tests.audit.conftest import call_arguments, credential_of, key_actor, make_request

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 22, 12, 30, 15, 250_000, tzinfo=UTC)
HOUR = NOON.replace(minute=0, second=0, microsecond=0)


def call(caller: AuthResult, *scopes: str, **changed: Any) -> None:
    values = call_arguments(caller, **changed)
    values["request"].scopes_used = scopes
    record_call(**values)


def note(request: Any, actor: Any, status: int = 200, **changed: Any) -> None:
    values = {"route": "/v1/api-keys/verify", "method": "POST", "scopes": ["orders:read"], "address": "192.0.2.7"}
    record_additional_use(
        request, organization_id=actor.organization_id, credential_id=actor.pk, status=status, **values, **changed
    )


def test_agent_and_scopes_are_told_apart_and_the_newest_call_is_kept(organization):
    key = key_actor(organization)
    with time_machine.travel(NOON, tick=False) as clock:
        call(AuthResult(actor=key), "users:read")
        call(AuthResult(actor=key), "users:read", "audit:read")
        call(AuthResult(actor=key), request=make_request(**{"User-Agent": "x" * 300}))
        clock.move_to(NOON - timedelta(minutes=5))
        call(AuthResult(actor=key), "users:read")
        clock.move_to(NOON + timedelta(minutes=5))
        call(AuthResult(actor=key), "audit:read", "users:read")
    assert set(UsageHour.objects.values_list("hour", "user_agent", "scopes", "calls", "last_at")) == {
        (HOUR, "curl/8", "users:read", 2, NOON),
        (HOUR, "curl/8", "audit:read users:read", 2, NOON + timedelta(minutes=5)),
        (HOUR, "x" * 120, "", 1, NOON),
    }
    assert set(UsageDay.objects.values_list("day", "scopes", "calls", "last_at")) == {
        (NOON.date(), "users:read", 2, NOON),
        (NOON.date(), "audit:read users:read", 2, NOON + timedelta(minutes=5)),
        (NOON.date(), "", 1, NOON),
    }
    assert set(ApiCall.objects.values_list("scopes", flat=True)) == {"users:read", "audit:read users:read", ""}


def test_a_batch_counts_as_single_calls_do(organization):
    key = key_actor(organization)
    with time_machine.travel(NOON, tick=False):
        call(AuthResult(actor=key), "users:read")
    row = ApiCall.objects.get()
    first = store.Call(**{name: getattr(row, name) for name in store.CALL_COLUMNS})
    later = first._replace(id=first.id.__class__(int=1), at=NOON + timedelta(seconds=9))
    store.store([later, first._replace(id=first.id.__class__(int=2), at=NOON - timedelta(seconds=9))], {})
    counted = UsageHour.objects.get()
    assert (counted.calls, counted.last_at) == (3, later.at)
    assert LastUse.objects.get().at == later.at


@pytest.mark.parametrize("scopes", [["b" * 150, "a" * 60], ["a" * 60, *["b" * 150] * 2]])
def test_scopes_are_cut_after_a_whole_one(organization, scopes):
    call(AuthResult(actor=key_actor(organization)), *scopes)
    assert ApiCall.objects.get().scopes == "a" * 60


@pytest.mark.parametrize(("status", "is_use"), [(200, True), (404, True), (500, True), (401, False), (403, False),
                                                (429, False)])  # fmt: skip
def test_only_a_call_that_was_let_in_is_a_use(organization, status, is_use):
    call(AuthResult(credential=credential_of(key_actor(organization))), status=status)
    assert LastUse.objects.exists() == is_use
    assert UsageHour.objects.get().calls == 1


@pytest.mark.parametrize("restriction", [STATUSES[KeyStatus.QUARANTINED].restriction, None])
def test_calls_of_a_key_in_quarantine_are_flagged(organization, restriction):
    credential = credential_of(key_actor(organization))
    call(AuthResult(credential=SimpleNamespace(**vars(credential), restriction=restriction)))
    assert ApiCall.objects.get().flagged == (restriction is not None)


def test_a_call_counts_for_another_key_too(organization, other):
    asker, asked, refused = key_actor(organization), key_actor(other), key_actor(other)
    request = make_request(method="POST")
    note(request, asked, user_agent="app/1\x00")
    note(request, refused, status=403)
    with time_machine.travel(NOON, tick=False):
        call(AuthResult(actor=asker), "api_keys:verify", request=request, route="/v1/api-keys/verify")
    assert ApiCall.objects.get().credential_id == asker.pk
    figures = UsageHour.objects.exclude(credential_id=asker.pk)
    columns = ("organization_id", "credential_id", "hour", "method", "route", "status_class", "address", "user_agent")
    what = (HOUR, "POST", "/v1/api-keys/verify")
    assert set(figures.values_list(*columns, "scopes", "calls", "last_at")) == {
        (other.pk, asked.pk, *what, "2xx", "192.0.2.7", "app/1�", "orders:read", 1, NOON),
        (other.pk, refused.pk, *what, "4xx", "192.0.2.7", "", "orders:read", 1, NOON),
    }
    assert UsageHour.objects.get(credential_id=asker.pk).organization_id == organization.pk
    uses = dict(LastUse.objects.values_list("credential_id", "address"))
    assert uses == {asker.pk: "203.0.113.9", asked.pk: "192.0.2.7"}


def test_a_call_that_leaves_no_row_counts_for_nobody(organization):
    request = make_request()
    note(request, key_actor(organization))
    call(AuthResult(), request=request, status=401, code="missing_api_key")
    assert not UsageHour.objects.exists() and not LastUse.objects.exists()


def test_uses_survive_json(organization):
    asked, request = key_actor(organization), make_request()
    note(request, asked)
    made = store.Call(
        *(
            key_actor(organization).pk,
            NOON,
            organization.pk,
            "api_key",
            "key_x",
            "Sync",
            None,
            "GET",
            "/v1/me",
            200,
            "",
        ),
        *(1.0, "203.0.113.9", "", "request-1"),
    )
    travelled = made._replace(uses=json.loads(json.dumps(request.uses)))
    assert store.count_by_hour([travelled]) == store.count_by_hour([made._replace(uses=tuple(request.uses))])
    assert store.newest_uses([travelled]) == [store.NewestUse(asked.pk, NOON, "192.0.2.7")]
    assert len(store.count_by_hour([made])) == 1


def test_through_the_writer(organization, transactional_db, writer):
    asker, asked, request = key_actor(organization), key_actor(organization), make_request()
    note(request, asked)
    call(AuthResult(actor=asker), request=request)
    assert set(UsageHour.objects.values_list("credential_id", "calls")) == {(asker.pk, 1), (asked.pk, 1)}

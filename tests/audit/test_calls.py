"""What a call leaves behind: a row, the key's last use, the hour's figures; of a stranger only a count."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import time_machine
from django.db import connection

from apps.audit.calls.recording import record_call
from apps.audit.models import NO_CREDENTIAL, ApiCall, LastUse, RefusedCalls, UsageHour
from apps.base.crypto.secrets import new_key
from apps.base.rest.request_identity import AuthResult
from apps.orgs.models import Organization
from tests.audit.conftest import call_arguments, credential_of, key_actor, make_request, person

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 11, 22, 12, 30, 15, tzinfo=UTC)


def call(caller: AuthResult, **changed: Any) -> None:
    record_call(**call_arguments(caller, **changed))


def test_a_call_of_a_key_is_one_row(organization):
    key = key_actor(organization)
    with time_machine.travel(NOON, tick=False):
        call(AuthResult(actor=key), route="/v1/users/{id}", request=make_request("/v1/users/user_x?secret=1"))
    row = ApiCall.objects.get()
    assert (row.organization_id, row.credential_id, row.at) == (organization.pk, key.pk, NOON)
    assert (row.actor_kind, row.actor_id, row.actor_label) == ("api_key", key.id, "Sync")
    assert (row.method, row.route, row.status, row.code, row.duration_ms) == ("GET", "/v1/users/{id}", 200, "", 1.5)
    assert (row.address, row.user_agent, row.request_id) == ("203.0.113.9", "curl/8", "request-87654321")


def test_a_session_is_a_row_without_a_key(organization):
    call(AuthResult(actor=person(organization)))
    assert ApiCall.objects.get().credential_id is None
    assert UsageHour.objects.get().credential_id == NO_CREDENTIAL
    assert not LastUse.objects.exists()


def test_a_refused_key_that_is_known_is_a_row(organization):
    key = key_actor(organization)
    call(AuthResult(credential=credential_of(key)), status=401, code="revoked_api_key")
    row = ApiCall.objects.get()
    assert (row.actor_kind, row.actor_id, row.actor_label) == ("api_key", key.id, "Sync")
    assert (row.credential_id, row.status, row.code) == (key.pk, 401, "revoked_api_key")
    assert not RefusedCalls.objects.exists()


def test_strangers_are_only_counted(db):
    with time_machine.travel(NOON, tick=False):
        for _ in range(3):
            call(AuthResult(), status=401, code="missing_api_key")
        call(AuthResult(), status=404, code="not_found")
        call(AuthResult(), status=401, code="missing_api_key", request=make_request(address="2001:db8::1"))
        call(AuthResult(), status=202)
    minute = NOON.replace(second=0)
    assert set(RefusedCalls.objects.values_list("address", "minute", "code", "calls")) == {
        ("203.0.113.9", minute, "missing_api_key", 3),
        ("203.0.113.9", minute, "not_found", 1),
        ("2001:db8::/64", minute, "missing_api_key", 1),
    }
    assert not ApiCall.objects.exists()


def test_an_actor_of_no_organization_leaves_no_row(db):
    call(AuthResult(actor=person(None)), status=400, code="invalid_request")
    assert not ApiCall.objects.exists()
    assert RefusedCalls.objects.get().calls == 1


def test_usage_is_counted_by_hour_route_status_and_address(organization):
    key = key_actor(organization)
    with time_machine.travel(NOON, tick=False) as clock:
        for status in (200, 204, 302, 404, 429, 429, 500):
            call(AuthResult(actor=key), status=status)
        clock.move_to(NOON.replace(hour=13))
        call(AuthResult(actor=key), request=make_request(address="198.51.100.7", method="POST"))
    rows = UsageHour.objects.filter(credential_id=key.pk, organization_id=organization.pk, route="/v1/users")
    hour = NOON.replace(minute=0, second=0)
    assert set(rows.values_list("hour", "method", "status_class", "address", "calls")) == {
        (hour, "GET", "2xx", "203.0.113.9", 3),
        (hour, "GET", "4xx", "203.0.113.9", 1),
        (hour, "GET", "429", "203.0.113.9", 2),
        (hour, "GET", "5xx", "203.0.113.9", 1),
        (hour.replace(hour=13), "POST", "2xx", "198.51.100.7", 1),
    }


def test_the_last_use_never_goes_back(organization):
    key = key_actor(organization)
    with time_machine.travel(NOON, tick=False) as clock:
        call(AuthResult(actor=key), request=make_request(address="198.51.100.7"))
        clock.move_to(NOON.replace(hour=11))
        call(AuthResult(actor=key), request=make_request(address="198.51.100.8"))
    used = LastUse.objects.get()
    assert (used.credential_id, used.at, used.address) == (key.pk, NOON, "198.51.100.7")


def test_untrusted_text_is_truncated_and_cleaned(organization):
    secret = new_key("ipk_").plaintext
    agent = f"agent {secret} " + "x" * 500
    key = replace(key_actor(organization), label="L\x00" * 200)
    call(
        AuthResult(actor=key), request=make_request(method="X" * 40, **{"User-Agent": agent}), route="/v1/" + "r" * 300
    )
    row = ApiCall.objects.get()
    assert secret not in row.user_agent and len(row.user_agent) == 300
    assert len(row.actor_label) == 200 and len(row.route) == 120 and row.method == "X" * 8


def test_inside_a_transaction_the_row_is_part_of_it(organization):
    assert connection.in_atomic_block
    call(AuthResult(actor=key_actor(organization)))
    assert ApiCall.objects.count() == 1


def test_a_row_that_cannot_be_written_spoils_neither_answer_nor_transaction(organization, caplog):
    call(AuthResult(actor=key_actor(organization)), status=-1)
    assert "could not be recorded" in caplog.text
    assert not ApiCall.objects.exists() and not UsageHour.objects.exists()
    assert Organization.objects.filter(pk=organization.pk).exists()

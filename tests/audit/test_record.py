"""An entry is written in the transaction of its change, under a known name, without any secret."""

import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from apps.audit.actions import record
from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.crypto.secrets import new_key
from tests.audit.conftest import change, person

pytestmark = pytest.mark.django_db


def test_an_entry_holds_who_what_and_from_where(organization):
    ada = person(organization)
    entry = change(ada, "api_key.updated", target_label="Sync", changes={"name": ["Old", "New"]})
    entry.refresh_from_db()
    assert entry.organization_id == organization.pk
    assert (entry.actor_kind, entry.actor_id, entry.actor_label) == ("user", ada.id, "Ada")
    assert (entry.action, entry.target_kind, entry.target_id) == ("api_key.updated", "api_key", "key_x")
    assert (entry.address, entry.user_agent, entry.request_id) == ("203.0.113.24", "Browser/1", "request-12345678")
    assert entry.changes == {"name": ["Old", "New"]}
    assert entry.outcome == "success"
    assert entry.public_id.startswith("aud_")


def test_an_entry_leaves_with_the_change_that_is_rolled_back(organization):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        record(actor=person(organization), action="user.created", target_kind="user", target_id="user_x")
        raise ZeroDivisionError
    assert not AuditEntry.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_nothing_is_recorded():
    with pytest.raises(RuntimeError, match="in the transaction"):
        record(actor=system(uuid.uuid4()), action="user.created", target_kind="user", target_id="user_x")
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    "wrong",
    [
        {"action": "key.made"},
        {"outcome": "perhaps"},
        {"changes": {"name": "New"}},
        {"changes": {"name": ["Old", "New", "Newer"]}},
        {"changes": {"secret": [None, "x"]}},
        {"changes": {"key": [None, "x"]}},
        {"changes": {"api_key": [None, "x"]}},
        {"changes": {"new_password": [None, "x"]}},
        {"changes": {"digest": [None, "x"]}},
    ],
    ids=str,
)
def test_what_may_not_be_recorded(organization, wrong: dict[str, Any]):
    with pytest.raises(ValueError):
        change(person(organization), **wrong)
    assert not AuditEntry.objects.exists()


def test_an_actor_of_no_organization_must_name_one(organization):
    with pytest.raises(ValueError, match="name the organization"):
        change(system())
    assert change(system(), organization_id=organization.pk).organization_id == organization.pk


def test_secrets_are_cut_wherever_they_hide(organization):
    key = new_key("ipk_").plaintext
    secret = "whsec_" + "A" * 43 + "="
    hidden = {"note": [f"was {key}", {"deep": [secret], "Authorization": "Basic eHg=", "key_type": "partner"}]}
    entry = change(person(organization, label=f"Ada {key}"), changes=hidden, target_label=key)
    entry.refresh_from_db()
    written = str([entry.changes, entry.actor_label, entry.target_label])
    assert key not in written and secret not in written and "eHg=" not in written
    assert entry.changes["note"][1]["key_type"] == "partner"


def test_values_become_json_and_stay_within_bounds(organization):
    moment, number = datetime(2026, 11, 22, 10, tzinfo=UTC), uuid.uuid4()
    changes = {"expires_at": [None, moment], "of": [number, Decimal("1.10")], "text": ["x\x00y\ud800", "z" * 9000]}
    entry = change(person(organization, label="L" * 300), changes=changes)
    entry.refresh_from_db()
    assert entry.changes["expires_at"] == [None, "2026-11-22T10:00:00Z"]
    assert entry.changes["of"] == [str(number), "1.10"]
    assert entry.changes["text"][0] == "x�y�" and len(entry.changes["text"][1]) == 2000
    assert len(entry.actor_label) == 200

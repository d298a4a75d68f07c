"""Signing a checkpoint when somebody asks: who may, what is recorded, and what the command for operators shows."""

from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction

from apps.audit.actions import make_checkpoint
from apps.audit.models import AuditEntry, Checkpoint
from apps.audit.seal import checkpoints
from apps.base.actor import system
from apps.base.errors import Conflict, Forbidden
from apps.base.permissions import Permission
from tests.audit.chains import verify
from tests.audit.conftest import change, person

pytestmark = pytest.mark.django_db


def exporter(organization: Any) -> Any:
    return replace(person(organization), permissions=frozenset({str(Permission.AUDIT_EXPORT)}))


def test_whoever_may_export_may_sign_and_it_is_recorded(organization):
    change(person(organization))
    made = make_checkpoint(actor=exporter(organization))
    assert made.seq == 1
    entry = AuditEntry.objects.get(action="audit.checkpoint_made")
    assert (entry.actor_label, entry.target_id) == ("Ada", "1")
    assert make_checkpoint(actor=exporter(organization)).pk == made.pk
    assert AuditEntry.objects.filter(action="audit.checkpoint_made").count() == 1
    change(person(organization))
    assert make_checkpoint(actor=exporter(organization)).seq == 3
    assert verify()[1] == ""


def test_others_may_not(organization):
    change(person(organization))
    with pytest.raises(Forbidden):
        make_checkpoint(actor=person(organization))
    assert not Checkpoint.objects.exists()


def test_it_is_the_actors_own_log(organization, other):
    change(person(other))
    with pytest.raises(Conflict):
        make_checkpoint(actor=exporter(organization))
    with pytest.raises(ValueError), transaction.atomic():
        make_checkpoint(actor=system())
    change(person(organization))
    assert make_checkpoint(actor=exporter(organization)).organization_id == organization.pk


def test_the_public_key_is_shown_to_operators():
    out, sentence = verify("--show-key")
    key = checkpoints.own_public_key()
    assert sentence == "" and f"public_key: {key}" in out and f"key_id: {checkpoints.key_id(key)}" in out

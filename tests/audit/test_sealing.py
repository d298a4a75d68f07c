"""Every committed change gets the next number and the next hash of its organization, whatever its id says."""

from typing import Any

import pytest

from apps.audit import sealing
from apps.audit.chain import genesis
from apps.audit.models import AuditEntry, Seal, Unsealed
from apps.base.identifiers import encode
from tests.audit.conftest import change, person

pytestmark = pytest.mark.django_db


def seals(organization: Any) -> list[Seal]:
    return list(Seal.objects.filter(organization=organization).order_by("seq"))


def test_the_sequence_is_dense_for_each_organization(organization, other):
    ada, zed = person(organization), person(other)
    for actor in (ada, zed, ada, ada, zed):
        change(actor)
    assert sealing.seal_due() == 5 and not Unsealed.objects.exists()
    change(ada)
    assert sealing.seal_due() == 1 and sealing.seal_due() == 0
    assert [seal.seq for seal in seals(organization)] == [1, 2, 3, 4]
    assert [seal.seq for seal in seals(other)] == [1, 2]
    newest = seals(organization)[-1]
    assert sealing.head(organization.pk) == (4, newest.hash)
    assert newest.entry_id == AuditEntry.objects.filter(organization=organization).latest("pk").pk


def test_nothing_sealed_is_number_nought(organization):
    assert sealing.head(organization.pk) == (0, genesis(encode("org", organization.pk)))

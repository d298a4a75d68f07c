"""Lookups in the stored chain for the verification of exported files."""

import uuid
from typing import Any

from django.db import DatabaseError
from django.db.models import QuerySet

from apps.audit.models import AuditEntry, Checkpoint, Seal
from apps.audit.seal.chain import genesis
from apps.base.identifiers import decode, encode
from apps.orgs.models import Organization


def hash_of(organization_id: uuid.UUID | None, seq: int) -> str | None:
    """Return the hash of a sequence number, or None if it is unknown or was removed by retention."""
    if organization_id is None:
        return None
    if seq == 0:
        return genesis(encode("org", organization_id))
    for rows in (Seal.objects, Checkpoint.objects):
        found = rows.filter(organization_id=organization_id, seq=seq).values_list("hash", flat=True)
        if hashes := _read_if_available(found):
            return str(hashes[0])
    return None


def organization_of(entry_id: object) -> uuid.UUID | None:
    """Return the organization of an entry by the entry's public id, or None if there is no such entry."""
    key = decode("aud", entry_id) if isinstance(entry_id, str) else None
    if key is None:
        return None
    found = _read_if_available(AuditEntry.objects.filter(pk=key).values_list("organization_id", flat=True))
    return found[0] if found else None


def organizations() -> dict[uuid.UUID, str]:
    """Return the slug of every organization by its primary key, including closed ones."""
    return dict(Organization.objects.order_by("slug").values_list("pk", "slug"))


def slug_of(organization_id: uuid.UUID | None) -> str | None:
    """Return the slug of an organization, or its public id if it is not in the database."""
    if organization_id is None:
        return None
    slugs = _read_if_available(Organization.objects.filter(pk=organization_id).values_list("slug"))
    return str(slugs[0][0]) if slugs else encode("org", organization_id)


def _read_if_available(rows: QuerySet[Any, Any]) -> list[Any]:
    """Return the first row, or none if there is no database (yet): a file can be checked without one."""
    try:
        return list(rows[:1])
    except DatabaseError:
        return []

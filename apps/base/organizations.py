"""What apps below must know of the tenant: its key, its limits, how long rows are kept, who belongs to it."""

import uuid
from typing import Any

from django.apps import apps

from apps.base.errors import Conflict, NotFound
from apps.base.identifiers import decode


def organization_pk(slug: str) -> uuid.UUID:
    """This will return the primary key of the organization with the slug, or raise NotFound naming it."""
    found = apps.get_model("orgs", "Organization").objects.filter(slug=slug).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(f"There is no organization with the slug {slug!r}.")
    return found


def working_organization_pk(slug: str) -> uuid.UUID:
    """Return the same for whoever is about to create something; raise Conflict where nothing created would work."""
    key = organization_pk(slug)
    status = _organizations().values_list("status", flat=True).get(pk=key)
    if status != "active":
        undo = {"closed": "Reopen", "suspended": "Resume"}[status]
        raise Conflict(f"The organization {slug!r} is {status}, so nothing was created. {undo} it under /admin/ first.")
    return key


def longest_key_days(organization_id: uuid.UUID | None) -> int | None:
    """This will return the longest lifetime in days that the organization gives its keys; None: as their types say."""
    rows = _organizations().filter(pk=organization_id)
    return rows.values_list("longest_key_days", flat=True).first()


def days_kept(organization_id: uuid.UUID | None, kind: str, most: int) -> int:
    """This will return for how many days rows are kept: the organization's own figure within the operator's ``most``.

    ``kind``: audit, calls or deliveries.
    """
    rows = _organizations().filter(pk=organization_id)
    return min(rows.values_list(f"retention_days_{kind}", flat=True).first() or most, most)


def _organizations() -> Any:
    return apps.get_model("orgs", "Organization").objects


def is_member(organization_id: uuid.UUID, user_id: str) -> bool:
    """This will tell whether the account with a public id belongs to an organization at this moment."""
    rows: Any = apps.get_model("orgs", "Membership").objects.filter(organization_id=organization_id)
    return bool(rows.with_user_id(user_id).exists())


def find_organization(text: str) -> uuid.UUID | None:
    """This will return the primary key of the organization whose slug or public id this is, or None."""
    key = decode("org", text)
    rows = apps.get_model("orgs", "Organization").objects.values_list("pk", flat=True)
    return rows.filter(pk=key).first() if key is not None else rows.filter(slug=text).first()

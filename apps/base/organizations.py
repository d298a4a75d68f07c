"""Finding the tenant by its slug or id, for doors of apps that know nothing of organizations."""

import uuid

from django.apps import apps

from apps.base.errors import NotFound
from apps.base.identifiers import decode


def organization_pk(slug: str) -> uuid.UUID:
    """This will return the primary key of the organization with the slug, or raise NotFound naming it."""
    found = apps.get_model("orgs", "Organization").objects.filter(slug=slug).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(f"There is no organization with the slug {slug!r}.")
    return found


def find_organization(text: str) -> uuid.UUID | None:
    """This will return the primary key of the organization whose slug or public id this is, or None."""
    key = decode("org", text)
    rows = apps.get_model("orgs", "Organization").objects.values_list("pk", flat=True)
    return rows.filter(pk=key).first() if key is not None else rows.filter(slug=text).first()

"""What apps that know nothing of organizations ask about one: which has a slug, who belongs to it."""

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


def is_member(organization_id: uuid.UUID, user_id: str) -> bool:
    """This will tell whether the account with a public id belongs to an organization at this moment."""
    key = decode("user", user_id)
    rows = apps.get_model("orgs", "Membership").objects.filter(organization_id=organization_id)
    return key is not None and rows.filter(user_id=key).exists()

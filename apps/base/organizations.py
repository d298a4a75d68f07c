"""Finding the tenant by its slug, for commands of apps that know nothing of organizations."""

import uuid

from django.apps import apps

from apps.base.errors import NotFound


def organization_pk(slug: str) -> uuid.UUID:
    """This will return the primary key of the organization with the slug, or raise NotFound naming it."""
    found = apps.get_model("orgs", "Organization").objects.filter(slug=slug).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(f"There is no organization with the slug {slug!r}.")
    return found

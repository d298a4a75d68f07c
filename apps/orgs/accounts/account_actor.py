"""The actor of changes to the user's own account: the user, without an organization and a role."""

from apps.base.actor import Actor, ActorKind
from apps.base.requests import PortalRequest, source_of
from apps.orgs.models import User


def account_actor(request: PortalRequest, user: User) -> Actor:
    """Return the user as an actor, with the request's address and browser."""
    return Actor(
        kind=ActorKind.USER,
        id=user.public_id,
        label=user.name or user.email,
        pk=user.pk,
        **source_of(request),
    )

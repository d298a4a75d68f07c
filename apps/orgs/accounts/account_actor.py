"""A person as the actor on their own account: in no organization, with no role, known by the account alone."""

from apps.base.actor import Actor, ActorKind
from apps.base.requests import PortalRequest
from apps.orgs.models import User


def account_actor(request: PortalRequest, user: User) -> Actor:
    """Return the account's own actor, at the request's address and browser."""
    return Actor(
        kind=ActorKind.USER,
        id=user.public_id,
        label=user.name or user.email,
        address=request.client_address,
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:300],
        request_id=request.request_id,
        pk=user.pk,
    )

"""Bulk revocation of what a user or a key created, after a leak, a revocation or the removal of a member."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import cast

from django.db import transaction
from django.utils.translation import gettext as _

from apps.base.actor import Actor
from apps.base.errors import Invalid, PortalError
from apps.base.extension_points import descendants
from apps.base.extension_points.descendants import Descendant
from apps.base.permissions import Permission
from apps.credentials.rules import check_reason
from apps.notices import actions as notices

READ_PERMISSIONS = (Permission.API_KEYS_READ, Permission.SDK_KEYS_READ, Permission.USERS_READ, Permission.WEBHOOKS_READ)
WRITE_PERMISSIONS = (
    Permission.API_KEYS_WRITE,
    Permission.SDK_KEYS_WRITE,
    Permission.USERS_WRITE,
    Permission.WEBHOOKS_WRITE,
)
MAX_LISTED = 1000
# Each adds a few milliseconds to one transaction.
MAX_PER_REQUEST = 200
# Prefix of the dedupe key of notifications about a creator's objects, resolved when none is active.
CREATED_BY = "created-by"
# The lock order of other transactions: changes of members are serialized before any row is locked, and a key locks
# itself before it rotates an SDK key.
LOCK_ORDER = ("user", "invitation", "api_key", "sdk_key", "endpoint")


@dataclass(slots=True)
class EndResult:
    """What was ended, what was not and why, and how many are left for the next request."""

    remaining: int
    ended: list[Descendant] = field(default_factory=list)
    kept: list[tuple[Descendant, str]] = field(default_factory=list)


def descendants_of(actor: Actor, creator: str) -> list[Descendant]:
    """Return a creator's active objects that the actor can see; the creator may no longer exist."""
    return descendants.visible(actor, descendants.descendants(actor.organization_id, creator))


@transaction.atomic
def end_descendants(*, actor: Actor, creator: str, only: Collection[str] | None = None, reason: str = "") -> EndResult:
    """End a creator's active objects, each by its own action, at most ``MAX_PER_REQUEST``.

    Keys and invitations are revoked, members removed, endpoints paused. ``only``: these ids; raises Invalid for an id
    that is not among them. Objects that the actor cannot end are skipped and listed in the result.
    """
    actor.require(*WRITE_PERMISSIONS)
    reason = check_reason(reason) or f"Created by {creator}"
    found = descendants_of(actor, creator)
    unknown = sorted(set(only or ()) - {descendant.id for descendant in found})
    if unknown:
        message = _("%(id)s is not active, or was not created by %(creator)s.")
        raise Invalid.field("only", message % {"id": unknown[0][:40], "creator": creator})
    wanted = [descendant for descendant in found if only is None or descendant.id in only]
    result = EndResult(remaining=len(wanted))
    for descendant in sorted(wanted, key=lambda descendant: LOCK_ORDER.index(descendant.kind)):
        if len(result.ended) == MAX_PER_REQUEST:
            break
        result.remaining -= 1
        refusal = _end(actor, descendant, reason)
        if refusal:
            result.kept.append((descendant, refusal))
        else:
            result.ended.append(descendant)
    if result.ended and not descendants.descendants(actor.organization_id, creator):
        notices.resolve(
            organization_id=cast(uuid.UUID, actor.organization_id), dedupe_prefix=f"{CREATED_BY}:{creator}:"
        )
    return result


def _end(actor: Actor, descendant: Descendant, reason: str) -> str:
    if descendant.id == actor.id:
        return _("You can't end what you are acting with.")
    try:
        with transaction.atomic():
            descendants.end(actor=actor, descendant=descendant, reason=reason)
    except PortalError as error:
        return str(error)
    return ""

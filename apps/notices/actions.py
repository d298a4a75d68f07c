"""Actions of notifications: creating, resolving and dismissing them."""

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.notices.models import Notice, Severity
from apps.notices.texts import TEXTS, english_title


def notify(
    *,
    organization_id: uuid.UUID,
    kind: str,
    dedupe_key: str,
    severity: str = Severity.INFO,
    params: dict[str, Any] | None = None,
    path: str = "settings/integration/",
    permission: str = "",
    mail: bool = True,
) -> bool:
    """Create a notification once per dedupe key and return whether it is new; a periodic job sends the mail.

    ``permission``: the permission that a member needs to see the notification and to get its mail; empty for every
    member. Raises ValueError for a kind that has no text.
    """
    if kind not in TEXTS:
        raise ValueError(f"no text for notices of kind {kind!r}")
    _row, created = Notice.objects.get_or_create(
        organization_id=organization_id,
        dedupe_key=dedupe_key,
        defaults={
            "kind": kind,
            "severity": severity,
            "params": params or {},
            "path": path,
            "permission": permission,
            "mail_wanted": mail,
        },
    )
    return created


def was_notified(*, organization_id: uuid.UUID, dedupe_key: str) -> bool:
    """Return whether a notification with this key was created before, in any state."""
    return Notice.objects.filter(organization_id=organization_id, dedupe_key=dedupe_key).exists()


def resolve(*, organization_id: uuid.UUID, dedupe_prefix: str, kind: str = "", now: datetime | None = None) -> int:
    """Resolve the open notifications whose dedupe key starts with the prefix, and return how many.

    ``kind``: resolve notifications of this kind only; empty for every kind.
    """
    rows = Notice.objects.filter(organization_id=organization_id, dedupe_key__startswith=dedupe_prefix)
    if kind:
        rows = rows.filter(kind=kind)
    return rows.open().update(resolved_at=now or timezone.now())


def resolve_deleted(*, organization_id: uuid.UUID, dedupe_prefix: str, path: str) -> None:
    """Resolve the notifications of a deleted object, cancel their mail, and link them to ``path``."""
    rows = Notice.objects.filter(organization_id=organization_id, dedupe_key__startswith=dedupe_prefix)
    rows.open().update(resolved_at=timezone.now())
    rows.update(path=path, mail_wanted=False)


def resolve_older(*, kind: str, before: datetime) -> int:
    """Resolve notifications of a kind created before a time, in all organizations, and return how many."""
    return Notice.objects.filter(kind=kind, created_at__lt=before).open().update(resolved_at=timezone.now())


@transaction.atomic
def dismiss(*, actor: Actor, notice_id: str) -> Notice:
    """Dismiss a notification for all members; do nothing if it is already closed.

    Requires the notification's permission, or ORGANIZATION_WRITE if it is for every member.
    """
    notice: Notice = Notice.objects.for_actor(actor).with_public_id(notice_id)
    actor.require(notice.permission or Permission.ORGANIZATION_WRITE)
    values = {"dismissed_at": timezone.now(), "dismissed_by": actor.label[:200]}
    if Notice.objects.filter(pk=notice.pk).open().update(**values):
        audit.record(
            actor=actor,
            action="notice.dismissed",
            target_kind="notice",
            target_id=notice.public_id,
            target_label=english_title(notice),
            organization_id=notice.organization_id,
        )
    return notice


def can_dismiss(actor: Actor, notice: Notice) -> bool:
    """Return whether the actor has the permission to dismiss the notification."""
    return actor.can(notice.permission or Permission.ORGANIZATION_WRITE)

"""Posting, resolving and dismissing notices."""

import uuid
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.notices.models import Notice, Severity
from apps.notices.texts import KINDS, label


def post(
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
    """Post a notice once per dedupe key and tell whether it was new; mail follows by the sweep.

    ``permission``: who may act on it, and so sees it and gets the mail; empty for every member.
    """
    if kind not in KINDS:
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


def was_posted(*, organization_id: uuid.UUID, dedupe_key: str) -> bool:
    """Tell whether the organization was told of it before, whatever became of the notice."""
    return Notice.objects.filter(organization_id=organization_id, dedupe_key=dedupe_key).exists()


def resolve(*, organization_id: uuid.UUID, dedupe_prefix: str, kind: str = "", now: datetime | None = None) -> int:
    """Take a story that has ended off the pages and return how many notices it closed.

    ``kind``: only notices of that kind; empty for any.
    """
    rows = Notice.objects.filter(organization_id=organization_id, dedupe_key__startswith=dedupe_prefix)
    if kind:
        rows = rows.filter(kind=kind)
    return rows.open().update(resolved_at=now or timezone.now())


def retire(*, organization_id: uuid.UUID, dedupe_prefix: str, path: str) -> None:
    """Close the notices of something that was deleted, mail none of them, and let their links lead to ``path``."""
    rows = Notice.objects.filter(organization_id=organization_id, dedupe_key__startswith=dedupe_prefix)
    rows.open().update(resolved_at=timezone.now())
    rows.update(path=path, mail_wanted=False)


def resolve_older(*, kind: str, before: datetime) -> int:
    """Take the notices of a kind off the pages that were posted before a moment, of all organizations."""
    return Notice.objects.filter(kind=kind, created_at__lt=before).open().update(resolved_at=timezone.now())


@transaction.atomic
def dismiss(*, actor: Actor, notice_id: str) -> Notice:
    """Take one notice off everybody's pages, and do nothing where it is off them already.

    For those who may act on it; what was posted for every member is the business of who may change the organization.
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
            target_label=label(notice),
            organization_id=notice.organization_id,
        )
    return notice


def can_dismiss(actor: Actor, notice: Notice) -> bool:
    """Tell whether the actor may take the notice off the pages."""
    return actor.can(notice.permission or Permission.ORGANIZATION_WRITE)

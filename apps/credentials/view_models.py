"""View models of keys of all kinds: facts, banner, rotation, latest change and history."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import mark_safe

from apps.audit.models import AuditEntry, LastUse
from apps.audit.vocabulary import sentence_for
from apps.base.actor import Actor, ActorKind
from apps.base.errors import NotFound
from apps.base.extension_points.descendants import all_descendants
from apps.base.identifiers import decode
from apps.base.models import OrgQuerySet
from apps.base.requests import PortalRequest
from apps.base.templatetags.portal import when
from apps.base.web.client_address import format_address
from apps.base.web.forms import signed_in_since
from apps.credentials.descendants import descendants_of
from apps.credentials.key_kinds import KEY_KINDS
from apps.credentials.key_status import CHANGES, STATUSES, Banner, KeyStatus
from apps.credentials.models import SecretKey, SecretKeyQuerySet
from apps.credentials.rules import MAX_OVERLAP
from apps.orgs.lookups import is_member

UNUSED_AFTER = timedelta(days=30)
RECENT = timedelta(days=7)
OVERLAPS = (("3600", timedelta(hours=1)), ("86400", timedelta(days=1)), ("604800", timedelta(days=7)))


def key_facts(key: SecretKey, use: LastUse | None, now: datetime) -> dict[str, Any]:
    """Return the context about a key on every page."""
    status = key.status_at(now)
    return {
        "id": key.public_id,
        "name": key.name,
        "mask": key.mask,
        "status": str(status),
        "badge": {"label": STATUSES[status].badge, "tone": STATUSES[status].tone},
        "banner": _banner(key, STATUSES[status].banner),
        "expires_in_days": ceil_days(key.expires_at - now) if key.expires_at else None,
        "overlap_until": key.expires_at if status == KeyStatus.OVERLAP else None,
        "ever_used": use is not None,
        "is_unused": use is None and now - key.created_at >= UNUSED_AFTER,
        "is_revoked_or_expired": key.is_revoked_or_expired,
        "is_disabled": key.disabled_at is not None,
        "can_be_released": CHANGES["release"].applies_to(key),
        "was_rotated": key.overlap_since is not None,
        "last_used_at": use.at if use else None,
        "last_used_from": use.address if use else "",
        "expires_at": key.expires_at,
        "created_at": key.created_at,
        "created_by": key.created_by_label,
        "revoked_at": key.revoked_at,
    }


def _banner(key: SecretKey, banner: Banner | None) -> dict[str, Any] | None:
    """Return the banner of a key's page for credentials/_banner.html."""
    if banner is None:
        return None
    times = {"day": when(key.expires_at, "date"), "end": when(key.expires_at, "short")}
    title = mark_safe(str(banner.title) % times)  # noqa: S308  # texts of the product, and times as HTML
    kind = KEY_KINDS[key.key_prefix].kind
    text = banner.text.get(kind) or banner.text.get("", "")
    return {**banner._asdict(), "title": title, "text": text}


def ceil_days(left: timedelta) -> int:
    """Return the number of days, rounded up, at least 0."""
    return max(0, -(-left // timedelta(days=1)))


def is_recent(use: LastUse | None) -> bool:
    """Return whether a key was used in the last seven days."""
    return use is not None and use.at > timezone.now() - RECENT


def has_creator_left(key: SecretKey) -> bool:
    """Return whether the key's creator is a user who is no longer a member."""
    return key.created_by_kind == ActorKind.USER and not is_member(key.organization_id, key.created_by_id)


def creator_options(rows: SecretKeyQuerySet[Any], asked: str) -> list[dict[str, str]]:
    """Return the creators of the listed keys as filter options, including ``asked``, the current choice."""
    found = dict(rows.order_by("pk").values_list("created_by_id", "created_by_label"))
    if asked:
        found.setdefault(asked, asked)
    named = sorted(found.items(), key=lambda each: each[1].casefold())
    return [{"value": public_id, "label": label} for public_id, label in named]


def creator_name(actor: Actor, creator: str) -> str:
    """Return the name of a user or key; raise NotFound where it is unknown in this organization."""
    pk = decode("key", creator)
    name = (
        KEY_KINDS["ipk_"].keys().for_actor(actor).filter(pk=pk).values_list("name", flat=True).first() if pk else None
    )
    if name is not None:
        return str(name)
    made = all_descendants(actor.organization_id, creator)
    if not made and not (actor.organization_id and is_member(actor.organization_id, creator)):
        raise NotFound()
    return next((each.created_by_label for each in reversed(made) if each.created_by_id == creator), creator)


def count_descendants(actor: Actor, creator: str) -> int:
    """Return how many objects of a creator still work and can be seen by the actor."""
    return len(descendants_of(actor, creator))


def link_to_key(key: SecretKey | None) -> dict[str, Any] | None:
    """Return the context of a link to another key."""
    return (
        {"id": key.public_id, "name": key.name, "mask": key.mask, "is_revoked_or_expired": key.is_revoked_or_expired}
        if key
        else None
    )


def replaced_key(key: SecretKey | None) -> dict[str, Any] | None:
    """Return the context about the predecessor on the page that shows a new key."""
    return (
        {"mask": key.mask, "ends": key.expires_at, "is_revoked_or_expired": key.is_revoked_or_expired} if key else None
    )


def duplicate_submission(request: PortalRequest, key: SecretKey | None, page: str, rotation: str) -> dict[str, Any]:
    """Return the context for a form that was submitted twice, about the key from the first submission.

    ``page`` and ``rotation``: the routes of the key's pages.
    """
    if key is None:
        return {"key": None}
    args = [request.organization.slug, key.public_id]
    can_rotate = not key.is_revoked_or_expired and key.overlap_since is None
    return {
        "key": {"name": key.name, "mask": key.mask},
        "open_url": reverse(page, args=args),
        "rotate_url": reverse(rotation, args=args) if can_rotate else "",
        # A session that began after the key was created did not receive the response that showed it.
        "lost": signed_in_since(request, key.created_at),
    }


def entries_about(actor: Actor, key: SecretKey, kind: str) -> OrgQuerySet[AuditEntry]:
    """Return the audit entries about the key, newest first.

    The rotation that created it is recorded under its predecessor.
    """
    about_key = Q(target_id=key.public_id)
    if key.replaces is not None:
        about_key |= Q(target_id=key.replaces.public_id, action=f"{kind}.rotated")
    return AuditEntry.objects.for_actor(actor).filter(about_key, target_kind=kind).order_by("-pk")


def newest_change(key: SecretKey, kind: str, entries: list[AuditEntry]) -> dict[str, Any]:
    """Return who changed the key's state, when and why, from the audit log where possible."""
    change = CHANGES.get(STATUSES[key.status].change)
    entry = next((entry for entry in entries if change and entry.action == f"{kind}.{change.audit_verb}"), None)
    if entry is None:
        return {"who": "", "at": key.status_changed_at, "reason": key.status_reason}
    reason = entry.changes.get("reason") or [None, ""]
    return {"who": entry.actor_label, "at": entry.at, "reason": reason[1] or ""}


def history(entries: list[AuditEntry]) -> list[dict[str, Any]]:
    """Return audit entries for components/timeline.html."""
    return [{"title": sentence_for(entry), "at": entry.at, "text": format_address(entry.address)} for entry in entries]


def lifecycle_context(actor: Actor, key: SecretKey, kind: str, only: Collection[str] = ()) -> dict[str, Any]:
    """Return the context about a key's creator, rotation and newest 20 audit entries.

    ``only``: the actions shown in the history; default all.
    """
    about = entries_about(actor, key, kind)
    entries = list((about.filter(action__in=only) if only else about)[:20])
    return {
        "maker_left": has_creator_left(key),
        "successor": link_to_key(getattr(key, "replaced_by", None)),
        "predecessor": link_to_key(key.replaces),
        "change": newest_change(key, kind, entries),
        "history": history(entries),
    }


def overlap_context(key: SecretKey, now: datetime) -> dict[str, Any]:
    """Return the context of the rotation page about the expiry of the key and of its predecessor."""
    older = key.replaces
    return {
        "was_rotated": key.overlap_since is not None,
        "successor": getattr(key, "replaced_by", None),
        # Rotating again expires it immediately.
        "predecessor": older if older is not None and not older.is_revoked_or_expired else None,
        "ends": {word: min(now + length, key.expires_at or now + length) for word, length in OVERLAPS},
        "own_end": key.expires_at if key.expires_at and key.expires_at < now + MAX_OVERLAP else None,
    }

"""The page of one key."""

from datetime import timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone
from django.utils.translation import ngettext

from apps.api_keys.models import ApiKey
from apps.api_keys.presenting.facts import facts, grouped, limit_texts
from apps.audit.models import ApiCall, AuditEntry, LastUse
from apps.audit.usage import hourly_series
from apps.audit.vocabulary import sentence_for
from apps.base.actor import Actor, ActorKind
from apps.base.charts import bars
from apps.base.models import OrgQuerySet
from apps.base.organizations import is_member
from apps.credentials.models import KeyStatus, SecretKey

RECENT = timedelta(days=7)
CHANGED_BY = {
    KeyStatus.REVOKED: "api_key.revoked",
    KeyStatus.DISABLED: "api_key.disabled",
    KeyStatus.QUARANTINED: "api_key.quarantined",
}


def detail(actor: Actor, key: ApiKey) -> dict[str, Any]:
    """This will return the context of a key's page."""
    use = LastUse.objects.filter(pk=key.pk).first()
    entries = list(_entries(actor, key)[:20])
    return {
        "key": facts(key, use),
        "maker_left": _has_maker_left(key),
        "successor": linked(getattr(key, "replaced_by", None)),
        "predecessor": linked(key.replaces),
        "change": _newest_change(key, entries),
        "own_limits": limit_texts(key.key_type, key.limit_minute, key.limit_hour)
        if key.limit_minute or key.limit_hour
        else [],
        "usage": usage(actor, key) if use else None,
        "calls": [_call(call) for call in _calls(actor, key)],
        "history": history(entries),
    }


def _has_maker_left(key: ApiKey) -> bool:
    return key.created_by_kind == ActorKind.USER and not is_member(key.organization_id, key.created_by_id)


def linked(key: SecretKey | None) -> dict[str, Any] | None:
    """This will return what a link to another key says."""
    return {"id": key.public_id, "name": key.name, "mask": key.mask, "has_ended": key.has_ended} if key else None


def _calls(actor: Actor, key: ApiKey) -> list[ApiCall]:
    return list(ApiCall.objects.for_actor(actor).filter(credential_id=key.pk).order_by("-pk")[:20])


def _call(call: ApiCall) -> dict[str, Any]:
    return {
        "at": call.at,
        "method": call.method,
        "route": call.route,
        "status_code": call.status,
        "duration_ms": round(call.duration_ms),
        "request_id": call.request_id,
        "address": call.address,
        "is_flagged": call.flagged,
    }


def _entries(actor: Actor, key: ApiKey) -> OrgQuerySet:
    """What was done to the key; the rotation that made it stands in the log under the key that it replaced."""
    told = Q(target_id=key.public_id)
    if key.replaces is not None:
        told |= Q(target_id=key.replaces.public_id, action="api_key.rotated")
    return AuditEntry.objects.for_actor(actor).filter(told, target_kind="api_key").order_by("-pk")


def _newest_change(key: ApiKey, entries: list[AuditEntry]) -> dict[str, Any]:
    """Return who brought the key into its state, when and why: of the audit log, whose labels people know."""
    entry = next((entry for entry in entries if entry.action == CHANGED_BY.get(key.status)), None)
    if entry is None:
        return {"who": "", "at": key.status_changed_at, "reason": key.status_reason}
    reason = entry.changes.get("reason") or [None, ""]
    return {"who": entry.actor_label, "at": entry.at, "reason": reason[1] or ""}


def usage(actor: Actor, key: ApiKey) -> dict[str, Any]:
    """This will return the figures of the last 24 hours."""
    hours = hourly_series(actor.organization_id, key.pk, 24)
    total, errors = sum(hour.calls for hour in hours), sum(hour.errors for hour in hours)
    label = ngettext(
        "Requests per hour, last 24 hours: %(total)s call", "Requests per hour, last 24 hours: %(total)s calls", total
    )
    return {
        "total": total,
        "errors": errors,
        "limited": sum(hour.limited for hour in hours),
        "bars": bars([(hour.calls, hour.errors) for hour in hours]),
        "bars_label": label % {"total": grouped(total)},
    }


def history(entries: list[AuditEntry]) -> list[dict[str, Any]]:
    """This will return what was done to the key, newest first."""
    return [{"title": sentence_for(entry), "at": entry.at, "text": entry.address} for entry in entries]


def harm(actor: Actor, key: ApiKey) -> dict[str, Any]:
    """This will return what ending the key would break."""
    use = LastUse.objects.filter(pk=key.pk).first()
    calls = sum(hour.calls for hour in hourly_series(actor.organization_id, key.pk, 24)) if use else 0
    recently = use is not None and use.at > timezone.now() - RECENT
    return {"key": facts(key, use), "calls_24h": calls, "recently_used": recently}

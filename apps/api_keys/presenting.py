"""What the pages for keys show, as plain values: rows, cards, figures."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from apps.api_keys.gate_rows import effective
from apps.api_keys.models import ApiKey, KeyType, Scope
from apps.audit.models import ApiCall, AuditEntry, LastUse
from apps.audit.usage import daily_series, hourly_series, last_uses
from apps.audit.vocabulary import sentence_for
from apps.base.actor import Actor
from apps.base.charts import bars
from apps.base.permissions import ADMIN
from apps.credentials.models import KeyStatus

DAYS = 24
RECENT = timedelta(days=7)
WORDS = {"read": lambda: pgettext("right", "Read"), "write": lambda: pgettext("right", "Write")}


def key_rows(actor: Actor, keys: Sequence[ApiKey]) -> list[dict[str, Any]]:
    """This will return the rows of the list: two further queries, however many keys."""
    ids = [key.pk for key in keys]
    uses = last_uses(ids)
    series = daily_series(actor.organization_id, ids, DAYS) if actor.organization_id else {}
    return [_row(key, uses.get(key.pk), series.get(key.pk, [])) for key in keys]


def _row(key: ApiKey, use: LastUse | None, days: Sequence[Any]) -> dict[str, Any]:
    total = sum(day.calls for day in days)
    errors = sum(day.errors for day in days)
    return {
        **facts(key, use),
        "bars": bars([(day.calls, day.errors) for day in days]),
        "bars_label": _("Requests per day, last %(days)d days: %(total)s, of which %(errors)s refused or failed")
        % {"days": DAYS, "total": grouped(total), "errors": grouped(errors)},
    }


def facts(key: ApiKey, use: LastUse | None, now: datetime | None = None) -> dict[str, Any]:
    """This will return what every page says of a key."""
    moment = now or timezone.now()
    left = key.expires_at - moment if key.expires_at else None
    return {
        "id": key.public_id,
        "name": key.name,
        "scopes": key.scopes,
        "mask": key.mask,
        "status": str(key.status_at(moment)),
        "expires_in_days": days_up(left) if left is not None else None,
        "overlap_until": key.expires_at if key.status_at(moment) == KeyStatus.OVERLAP else None,
        "ever_used": use is not None,
        "last_used_at": use.at if use else None,
        "last_used_from": use.address if use else "",
        "expires_at": key.expires_at,
        "created_at": key.created_at,
        "created_by": key.created_by_label,
        "type_title": key.key_type.title_text,
        "subject": key.subject,
        "networks": key.allowed_networks,
        "limits": limit_texts(key.key_type, key.limit_minute, key.limit_hour),
    }


def grouped(number: int) -> str:
    """This will write a number with the separators of the reader's language."""
    return number_format(number, force_grouping=True)


def days_up(left: timedelta) -> int:
    """This will return begun days: what ends in 5 days and 23 hours ends in 6 days."""
    return max(0, -(-left // timedelta(days=1)))


def limit_texts(kind: KeyType, minute: int | None = None, hour: int | None = None) -> list[str]:
    """This will return the limits in words; an empty list where there is none."""
    found = []
    per_minute, per_hour = effective("minute", minute, kind.limit_minute), effective("hour", hour, kind.limit_hour)
    if per_minute:
        found.append(_("%(count)s a minute") % {"count": grouped(per_minute)})
    if per_hour:
        found.append(_("%(count)s an hour") % {"count": grouped(per_hour)})
    return found


def type_cards(actor: Actor, types: Sequence[KeyType]) -> list[dict[str, Any]]:
    """This will return the types as the form shows them, with what is left of a cap."""
    live = ApiKey.objects.for_actor(actor).live()
    cards = []
    for kind in types:
        left = None if kind.cap is None else max(0, kind.cap - live.filter(key_type=kind).count())
        full = _("All %(cap)s keys of this type are in use. Revoke one to make another.") % {"cap": kind.cap}
        cards.append(
            {
                "value": kind.name,
                "title": kind.title_text,
                "text": kind.description_text,
                "limits": ", ".join(limit_texts(kind)) or _("No rate limit"),
                "left": left,
                "disabled": left == 0,
                "reason": full if left == 0 else "",
            }
        )
    return cards


def scope_groups(types: Sequence[KeyType], scopes: Sequence[Scope], chosen: set[str]) -> list[dict[str, Any]]:
    """This will return the grid: a line a resource, with the types that may hold each scope."""
    catalogue = frozenset(scope.name for scope in scopes)
    holdable = {kind.name: kind.holdable(catalogue) for kind in types}
    groups: dict[str, list[dict[str, Any]]] = {}
    for scope in scopes:
        holders = [name for name, held in holdable.items() if scope.name in held]
        if holders:
            groups.setdefault(scope.resource, []).append(_chip(scope.name, scope.action, holders, chosen))
    lines = [{"label": resource, "scopes": chips} for resource, chips in groups.items()]
    admins = [name for name, held in holdable.items() if ADMIN in held]
    if admins:
        lines.append({"label": ADMIN, "scopes": [_chip(ADMIN, _("Everything"), admins, chosen)]})
    return lines


def _chip(value: str, action: str, holders: list[str], chosen: set[str]) -> dict[str, Any]:
    word = WORDS[action]() if action in WORDS else action
    return {"value": value, "word": word, "checked": value in chosen, "types": " ".join(holders)}


def detail(actor: Actor, key: ApiKey, slug: str) -> dict[str, Any]:
    """This will return the context of a key's page."""
    use = LastUse.objects.filter(pk=key.pk).first()
    calls = ApiCall.objects.for_actor(actor).filter(credential_id=key.pk).order_by("-pk")[:20]
    query = urlencode({"type": key.key_type.name, "scopes": key.scopes}, doseq=True)
    return {
        "key": facts(key, use),
        "usage": usage(actor, key) if use else None,
        "calls": [
            {
                "at": call.at,
                "method": call.method,
                "route": call.route,
                "status_code": call.status,
                "duration_ms": round(call.duration_ms),
                "request_id": call.request_id,
            }
            for call in calls
        ],
        "history": history(actor, key),
        "replacement_url": reverse("api_key_create", args=[slug]) + "?" + query,
    }


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


def history(actor: Actor, key: ApiKey) -> list[dict[str, Any]]:
    """This will return what was done to the key, newest first."""
    rows = AuditEntry.objects.for_actor(actor).filter(target_kind="api_key", target_id=key.public_id)
    return [{"title": sentence_for(row), "at": row.at, "text": row.address} for row in rows.order_by("-pk")[:20]]


def harm(actor: Actor, key: ApiKey) -> dict[str, Any]:
    """This will return what ending the key would break."""
    use = LastUse.objects.filter(pk=key.pk).first()
    calls = sum(hour.calls for hour in hourly_series(actor.organization_id, key.pk, 24)) if use else 0
    recently = use is not None and use.at > timezone.now() - RECENT
    return {"key": facts(key, use), "calls_24h": calls, "recently_used": recently}

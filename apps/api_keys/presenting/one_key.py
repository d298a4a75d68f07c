"""The page of one key."""

from datetime import timedelta
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.utils.translation import ngettext

from apps.api_keys.models import ApiKey
from apps.api_keys.presenting.facts import facts, grouped
from apps.audit.models import ApiCall, AuditEntry, LastUse
from apps.audit.usage import hourly_series
from apps.audit.vocabulary import sentence_for
from apps.base.actor import Actor
from apps.base.charts import bars

RECENT = timedelta(days=7)


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

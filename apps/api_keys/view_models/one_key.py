"""The page of one key."""

from typing import Any

from django.utils.translation import ngettext

from apps.api_keys.models import ApiKey
from apps.api_keys.view_models.facts import facts, format_number, limit_texts
from apps.audit.calls.usage_counters import hourly_series
from apps.audit.models import ApiCall, LastUse
from apps.base.actor import Actor
from apps.base.rest.snippets import as_curl, first_request, first_request_snippets, logged_request
from apps.base.web.charts import bar_chart
from apps.credentials.key_status import QUARANTINE_FLAG
from apps.credentials.view_models import count_descendants, is_recent, lifecycle_context, replaced_key


def detail(actor: Actor, key: ApiKey) -> dict[str, Any]:
    """Return the context of a key's page."""
    use = LastUse.objects.filter(pk=key.pk).first()
    return {
        "key": facts(key, use),
        "descendant_count": count_descendants(actor, key.public_id),
        **lifecycle_context(actor, key, "api_key"),
        "own_limits": limit_texts(key.key_type, key.limit_minute, key.limit_hour)
        if key.limit_minute or key.limit_hour
        else [],
        "usage": usage(actor, key) if use else None,
        "calls": [_call(call) for call in _calls(actor, key)],
        "first_calls": [] if key.is_revoked_or_expired else first_request_snippets(),
    }


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
        "flag": QUARANTINE_FLAG if call.flagged else "",
        "curl": as_curl(logged_request(call.method, call.route)),
    }


def usage(actor: Actor, key: ApiKey) -> dict[str, Any]:
    """Return a key's usage in the last 24 hours."""
    hours = hourly_series(actor.organization_id, key.pk, 24)
    total, errors = sum(hour.calls for hour in hours), sum(hour.errors for hour in hours)
    label = ngettext(
        "Requests per hour, last 24 hours: %(total)s call", "Requests per hour, last 24 hours: %(total)s calls", total
    )
    return {
        "total": total,
        "errors": errors,
        "limited": sum(hour.limited for hour in hours),
        "bars": bar_chart([(hour.calls, hour.errors) for hour in hours]),
        "bars_label": label % {"total": format_number(total)},
    }


def impact(actor: Actor, key: ApiKey) -> dict[str, Any]:
    """Return what would be affected if the key were revoked or disabled."""
    use = LastUse.objects.filter(pk=key.pk).first()
    calls = sum(hour.calls for hour in hourly_series(actor.organization_id, key.pk, 24)) if use else 0
    descendant_count = count_descendants(actor, key.public_id)
    return {
        "key": facts(key, use),
        "calls_24h": calls,
        "recently_used": is_recent(use),
        "descendant_count": descendant_count,
    }


def secret_context(key: ApiKey, plaintext: str) -> dict[str, Any]:
    """Return the context of the reveal page; ``plaintext`` is the secret."""
    return {
        "secret": plaintext,
        "key": {
            "name": key.name,
            "type": key.key_type.title_text,
            "subject": key.subject,
            "scopes": key.scopes,
            "networks": key.allowed_networks,
            "expires_at": key.expires_at,
        },
        "old": replaced_key(key.replaces),
        "curl": as_curl(first_request(plaintext)),
        "first_calls": first_request_snippets(),
        "env_line": f"API_KEY={plaintext}",
    }

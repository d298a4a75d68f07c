"""Create, update, pause, enable and delete endpoints."""

import uuid
from collections.abc import Iterable, Mapping
from typing import Any, cast

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import Invalid
from apps.base.models import creator
from apps.base.permissions import Permission
from apps.base.rest.object_versions import ANY_VERSION, ExpectedVersion
from apps.base.rest.renderers import to_json
from apps.webhooks.actions.checks import (
    ENTER_HEADERS_AGAIN,
    check_endpoint_limit,
    check_receives_events,
    check_url_change,
    checked_description,
    checked_headers,
    checked_limit,
    checked_new_url,
    checked_url,
    is_other_server,
)
from apps.webhooks.actions.rows import lock_endpoint
from apps.webhooks.actions.secrets import add_secret
from apps.webhooks.engine import claims, endpoint_health, wakeup
from apps.webhooks.engine.test_inbox import is_inbox
from apps.webhooks.models import DeliveryStatus, Endpoint, EndpointStatus, ReplayJob, ReplayStatus, Subscription
from apps.webhooks.types.catalogue import check_patterns, patterns_for
from apps.webhooks.types.scopes import require_scopes

DEFAULT_IN_FLIGHT = 16
HELD_CHOICES = ("send", "keep", "drop")


@transaction.atomic
def create_endpoint(
    *,
    actor: Actor,
    url: str,
    event_types: Iterable[str],
    description: str = "",
    headers: Mapping[str, str] | None = None,
    rate_limit_per_second: int | None = None,
    max_in_flight: int | None = None,
) -> tuple[Endpoint, str]:
    """Create an endpoint and return it with its signing secret, which is shown only once.

    Raise Invalid on ``url``, ``event_types``, ``headers`` or a limit, and Conflict ``endpoint_limit_reached``.
    """
    actor.require(Permission.WEBHOOKS_WRITE)
    check_receives_events(cast(uuid.UUID, actor.organization_id))
    patterns = check_patterns(event_types)
    require_scopes(actor, patterns)
    values = {
        "url": checked_url(url),
        "description": checked_description(description),
        "event_types": patterns,
        "headers": to_json(checked_headers(headers or {}, {})),
        "rate_limit_per_second": checked_limit("rate_limit_per_second", rate_limit_per_second, 1000),
        "max_in_flight": checked_limit("max_in_flight", max_in_flight, 64) or DEFAULT_IN_FLIGHT,
    }
    check_endpoint_limit(cast(uuid.UUID, actor.organization_id))
    return create_endpoint_rows(actor, values)


@transaction.atomic
def update_endpoint(
    *, actor: Actor, endpoint_id: str, expected: ExpectedVersion = ANY_VERSION, **values: Any
) -> Endpoint:
    """Update the given fields, named as in ``create_endpoint``. A header value of ``••••`` keeps the stored one."""
    actor.require(Permission.WEBHOOKS_WRITE)
    endpoint = lock_endpoint(actor, endpoint_id)
    before = {name: _audit_value(endpoint, name) for name in values}
    old_url, old_patterns, version = endpoint.url, endpoint.event_types, endpoint.version
    _set_checked(endpoint, values)
    require_scopes(actor, [each for each in endpoint.event_types if each not in old_patterns])
    if endpoint.url != old_url:
        check_url_change(actor, endpoint, old_patterns)
    expected.check(version)
    after = {name: _audit_value(endpoint, name) for name in values}
    changes = {name: [before[name], after[name]] for name in values if name == "headers" or before[name] != after[name]}
    if not changes:
        return endpoint
    endpoint.save(update_fields=[*values, *_reset_health_for_new_url(endpoint, old_url), "paced_until", "updated_at"])
    if "event_types" in changes:
        endpoint.subscriptions.all().delete()
        _subscribe(endpoint, endpoint.event_types)
    audit.record_change(actor, "endpoint.updated", endpoint, changes)
    return endpoint


def _set_checked(endpoint: Endpoint, values: dict[str, Any]) -> None:
    """Validate new values and set them on the object, without saving it."""
    old_url = endpoint.url
    if "url" in values and not (is_inbox(endpoint.url) and values["url"] == endpoint.url):
        endpoint.url = checked_new_url(endpoint, values["url"])
    if "description" in values:
        endpoint.description = checked_description(values["description"])
    if "event_types" in values:
        endpoint.event_types = check_patterns(values["event_types"])
    _set_headers(endpoint, values, is_other_server(old_url, endpoint.url))
    if "rate_limit_per_second" in values:
        rate = checked_limit("rate_limit_per_second", values["rate_limit_per_second"], 1000)
        endpoint.rate_limit_per_second, endpoint.paced_until = rate, None
    if "max_in_flight" in values:
        endpoint.max_in_flight = checked_limit("max_in_flight", values["max_in_flight"], 64) or DEFAULT_IN_FLIGHT


def _reset_health_for_new_url(endpoint: Endpoint, old_url: str) -> list[str]:
    """Reset the health of an endpoint if its URL has changed, and return the changed fields.

    The health of a disabled endpoint stays, as it says why the endpoint is disabled.
    """
    if endpoint.url == old_url or endpoint.status == EndpointStatus.DISABLED:
        return []
    return endpoint_health.reset_health(endpoint)


def _set_headers(endpoint: Endpoint, values: dict[str, Any], is_other_server: bool) -> None:
    """Set new headers on the object; raise Invalid if stored values would be sent to another server."""
    stored = endpoint.custom_headers
    if "headers" not in values:
        if is_other_server and stored != {}:
            raise Invalid.field("headers", ENTER_HEADERS_AGAIN)
        return
    # Headers that cannot be decrypted now are not shown in the form, so an empty value keeps them.
    if values["headers"] or stored is not None or is_other_server:
        headers = checked_headers(values["headers"] or {}, stored or {}, is_other_server=is_other_server)
        endpoint.headers = to_json(headers)


@transaction.atomic
def delete_endpoint(*, actor: Actor, endpoint_id: str, expected: ExpectedVersion = ANY_VERSION) -> None:
    """Delete the endpoint and discard its unfinished deliveries; its delivery log stays."""
    actor.require(Permission.WEBHOOKS_WRITE)
    endpoint = lock_endpoint(actor, endpoint_id)
    expected.check(endpoint.version)
    Endpoint.objects.filter(pk=endpoint.pk).update(deleted_at=timezone.now())
    endpoint.subscriptions.all().delete()
    endpoint.secrets.all().delete()
    dropped = claims.drop(endpoint.pk)
    replays = ReplayJob.objects.unfinished().filter(endpoint=endpoint)
    replays.update(status=ReplayStatus.CANCELLED, finished_at=timezone.now())
    endpoint_health.retire_notices(endpoint)
    audit.record_change(actor, "endpoint.deleted", endpoint, {"dropped": [None, dropped]})


@transaction.atomic
def pause_endpoint(*, actor: Actor, endpoint_id: str, expected: ExpectedVersion = ANY_VERSION) -> Endpoint:
    """Hold the deliveries of an enabled endpoint until it is enabled again; do nothing for other endpoints."""
    actor.require(Permission.WEBHOOKS_WRITE)
    endpoint = lock_endpoint(actor, endpoint_id)
    expected.check(endpoint.version)
    if endpoint.status == EndpointStatus.ENABLED:
        endpoint.paused_by, endpoint.paused_at = actor.label[:200], timezone.now()
        _set_status(endpoint, EndpointStatus.PAUSED)
        held = claims.hold(endpoint.pk)
        audit.record_change(actor, "endpoint.paused", endpoint, {"status": ["enabled", "paused"], "held": [None, held]})
    return endpoint


@transaction.atomic
def enable_endpoint(
    *, actor: Actor, endpoint_id: str, expected: ExpectedVersion = ANY_VERSION, held: str = "send"
) -> Endpoint:
    """Enable the endpoint and send, keep or drop its held deliveries, as ``held`` says.

    If the endpoint is already enabled, only the held deliveries change.
    """
    actor.require(Permission.WEBHOOKS_WRITE)
    if held not in HELD_CHOICES:
        raise Invalid.field("held", _("Choose one of %(choices)s.") % {"choices": ", ".join(HELD_CHOICES)})
    endpoint = lock_endpoint(actor, endpoint_id)
    expected.check(endpoint.version)
    before = endpoint.status
    if before != EndpointStatus.ENABLED:
        _set_status(endpoint, EndpointStatus.ENABLED)
    count = _process_held(endpoint, held)
    if before != EndpointStatus.ENABLED or count:
        changes: dict[str, list[Any]] = {
            "status": [before, "enabled"],
            "held": [None, held],
            "deliveries": [None, count],
        }
        audit.record_change(actor, "endpoint.enabled", endpoint, changes)
    transaction.on_commit(wakeup.notify_workers)
    return endpoint


@transaction.atomic
def subscribe_endpoint(*, actor: Actor, endpoint_id: str, event_type: str) -> Endpoint:
    """Subscribe the endpoint to an event type, unless one of its patterns already covers it."""
    actor.require(Permission.WEBHOOKS_WRITE)
    endpoint = lock_endpoint(actor, endpoint_id)
    (name,) = check_patterns([event_type])
    require_scopes(actor, [name])
    if set(endpoint.event_types).intersection(patterns_for(name)):
        return endpoint
    before = list(endpoint.event_types)
    endpoint.event_types = [*before, name]
    endpoint.save(update_fields=["event_types", "updated_at"])
    _subscribe(endpoint, [name])
    audit.record_change(actor, "endpoint.updated", endpoint, {"event_types": [before, endpoint.event_types]})
    return endpoint


def create_endpoint_rows(actor: Actor, values: dict[str, Any]) -> tuple[Endpoint, str]:
    """Create the rows of an endpoint from validated values and return it with its signing secret."""
    organization_id = cast(uuid.UUID, actor.organization_id)
    endpoint: Endpoint = Endpoint.objects.create(organization_id=organization_id, **creator(actor), **values)
    _subscribe(endpoint, endpoint.event_types)
    secret = add_secret(endpoint)
    changes: dict[str, list[Any]] = {"url": [None, endpoint.shown_url], "event_types": [None, endpoint.event_types]}
    audit.record_change(actor, "endpoint.created", endpoint, changes)
    return endpoint, secret


def _subscribe(endpoint: Endpoint, patterns: Iterable[str]) -> None:
    Subscription.objects.bulk_create(
        Subscription(endpoint=endpoint, organization_id=endpoint.organization_id, pattern=each) for each in patterns
    )


def _set_status(endpoint: Endpoint, status: str) -> None:
    """Save a new status; enabling also resets the endpoint's health."""
    endpoint.status = status
    fields = ["status", "paused_by", "paused_at", "updated_at"]
    if status == EndpointStatus.ENABLED:
        endpoint.paused_by, endpoint.paused_at = "", None
        endpoint.disabled_reason, endpoint.disabled_at = "", None
        fields += ["disabled_reason", "disabled_at", *endpoint_health.reset_health(endpoint)]
    endpoint.save(update_fields=fields)


def _process_held(endpoint: Endpoint, held: str) -> int:
    if held == "send":
        return claims.release(endpoint.pk)
    return claims.drop(endpoint.pk, DeliveryStatus.HELD) if held == "drop" else 0


def _audit_value(endpoint: Endpoint, name: str) -> Any:
    """Return the value of a field for the audit log; for headers, only their names."""
    return sorted(endpoint.custom_headers or ()) if name == "headers" else getattr(endpoint, name)

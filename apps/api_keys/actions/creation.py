"""Create an API key."""

from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction
from django.utils.translation import gettext as _

from apps.api_keys.actions import grant_limits, rules
from apps.api_keys.actions.audit_and_publish import publish_event
from apps.api_keys.models import ApiKey, KeyType
from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import Conflict
from apps.base.permissions import Permission
from apps.base.timestamps import format_timestamp
from apps.credentials.lifecycle import transitions
from apps.credentials.rules import Lifetime, parse_networks


@transaction.atomic
def create_key(
    *,
    actor: Actor,
    name: str,
    key_type: str,
    scopes: Iterable[str],
    subject: str = "",
    lifetime: Lifetime | None = None,
    allowed_networks: Iterable[str] | None = None,
    limits: dict[str, int | None] | None = None,
    **texts: str,
) -> tuple[ApiKey, str]:
    """Create a key and return it with its secret, which is not stored. ``texts``: others of ``ApiKey.texts``.

    Raises, in this order: Invalid for a scope that is unknown or not of the type, Forbidden if the creator lacks a
    scope or the organization's package excludes it, Conflict ``key_limit_reached`` if the type's cap is reached.
    """
    actor.require(Permission.API_KEYS_WRITE)
    transitions.lock_creator(actor)
    resolved_type = rules.find_type(key_type, actor)
    granted = rules.check_scopes(resolved_type, scopes)
    subject = rules.check_subject(resolved_type, subject)
    networks = None if allowed_networks is None else parse_networks(allowed_networks)
    rate_limits = rules.check_limits(resolved_type, limits or {}, actor)
    expires_at = rules.check_lifetime(actor, resolved_type, lifetime or Lifetime())
    rules.check_may_create_type(actor, resolved_type)
    rules.check_not_disabled(actor, resolved_type, granted)
    grant_limits.check_can_grant(actor, granted)
    if actor.grant_limits is not None:
        grant_limits.check_can_grant_type(actor, resolved_type)
        expires_at = grant_limits.cap_expiry(actor, expires_at, lifetime)
        networks = grant_limits.cap_networks(actor, networks)
        rate_limits = grant_limits.cap_rate_limits(actor, resolved_type, rate_limits, limits or {})
    check_key_quota(actor, resolved_type)
    checked_texts = rules.check_texts({"name": name, **texts})
    key, plaintext = transitions.issue(
        ApiKey,
        actor=actor,
        **checked_texts,
        key_type=resolved_type,
        scopes=granted,
        subject=subject,
        allowed_networks=networks or [],
        limit_minute=rate_limits["minute"],
        limit_hour=rate_limits["hour"],
        expires_at=expires_at,
    )
    settings_of_key: dict[str, list[Any]] = {
        **{name: [None, text] for name, text in checked_texts.items()},
        "type": [None, resolved_type.name],
        "scopes": [None, granted],
        "expires_at": [None, format_timestamp(expires_at)],
        "allowed_networks": [None, key.allowed_networks],
    }
    audit.record_change(actor, "api_key.created", key, settings_of_key)
    publish_event(key, "api_key.created", scopes=granted)
    return key, plaintext


def check_key_quota(actor: Actor, key_type: KeyType) -> None:
    """Raise Conflict if the organization has as many active keys of the type as its cap.

    The organization's row stays locked until the commit, so that concurrent requests count one after the other. On
    SQLite the transaction itself is exclusive, because it begins IMMEDIATE.
    """
    if key_type.cap is None:
        return
    lock_organization(actor)
    if ApiKey.objects.for_actor(actor).live().filter(key_type=key_type).count() >= key_type.cap:
        message = _("All %(cap)d keys of type %(type)s are in use. Revoke one to make another.")
        raise Conflict(message % {"cap": key_type.cap, "type": key_type.name}, "key_limit_reached")


def lock_organization(actor: Actor) -> None:
    """Lock the organization's row until the transaction ends, if the database has row locks."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM orgs_organization WHERE id = %s FOR NO KEY UPDATE", [actor.organization_id])

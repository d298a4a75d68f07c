"""Creates API keys in several states."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from apps.api_keys.actions import check_scopes
from apps.api_keys.models import NOT_ANNOUNCED, ApiKey, KeyType
from apps.base.actor import Actor
from apps.base.identifiers import uuid_at
from apps.base.timestamps import format_timestamp
from apps.credentials.key_status import CHANGES, RESTRICTED_STATUSES, STATUSES
from apps.credentials.lifecycle import transitions
from integrations_portal.demo.audit_entries import AuditEntries
from integrations_portal.demo.users import DemoAccounts


@dataclass(frozen=True, slots=True)
class Plan:
    """One key. Changes (``made``, ``revoked``, …) in days ago, ``expires`` in days from now."""

    name: str
    created_by: str
    scopes: tuple[str, ...]
    made: float
    expires: float | None
    type: str = "partner"
    subject: str = ""
    networks: tuple[str, ...] = ()
    revoked: float | None = None
    disabled: float | None = None
    quarantined: float | None = None
    rotated: float | None = None
    replaces: str = ""
    reason: str = ""


SHOP = ("users:write", "orders:write", "invoices:read", "events:write", "webhooks:read", "usage:read")
ERP = ("orders:read", "invoices:write", "events:write")
PLANS = (
    Plan("Old CRM connector", "Ada", ("users:read", "orders:read"), made=102, expires=-12),
    Plan("Data warehouse sync", "Ann", ("orders:read", "invoices:read", "usage:read"), made=84, expires=6,
         networks=("203.0.113.0/24",)),
    Plan("Payroll export", "Ann", ("users:read", "invoices:read"), made=76, expires=14, revoked=9,
         reason="Found in a shared folder"),
    Plan("ERP connector", "Ada", ERP, made=70, expires=0.8, rotated=0.2),
    Plan("Nightly scripts", "Ada", ("admin",), type="internal", made=61, expires=29),
    Plan("Production server", "Ada", SHOP, made=58, expires=32),
    Plan("Booking widget", "Ann", ("orders:read", "appointments:read"), type="client", made=41, expires=49,
         subject="client-1042"),
    Plan("Staging tests", "Ann", ("users:write", "orders:write"), made=33, expires=57, disabled=5,
         reason="Paused until the next release"),
    Plan("Pilot project", "Ada", ("invoices:read",), made=44, expires=None),
    Plan("Support chat bot", "Ann", ("orders:read", "users:read"), made=30, expires=60, quarantined=0.15,
         reason="Seen in a public repository"),
    Plan("Directory provisioning", "Ann", ("users:write",), type="user_data", made=25, expires=65),
    Plan("Mobile back end", "Ada", ("orders:write", "appointments:write"), made=3, expires=87),
    Plan("ERP connector", "Ada", ERP, made=0.2, expires=89.8, replaces="ERP connector"),
    Plan("Shop", "Zed", SHOP, made=20, expires=70),
    Plan("Reports", "Zed", ("orders:read", "usage:read"), made=18, expires=None),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A key with its plan and the time at which it stopped working."""

    key: ApiKey
    plan: Plan
    ended: datetime


def create(audit_entries: AuditEntries, accounts: DemoAccounts, now: datetime) -> list[IssuedKey]:
    """Create the keys; their plain text is discarded, so they can never be used."""
    types = {kind.name: kind for kind in KeyType.objects.all()}
    made: dict[str, ApiKey] = {}
    found: list[IssuedKey] = []
    for plan in PLANS:
        created_by = accounts.actors[plan.created_by]
        key = _issue(plan, created_by, types[plan.type], made.get(plan.replaces), now)
        made[plan.name] = key
        _record_changes(audit_entries, created_by, key, plan)
        ends = [now, *(moment for moment in (key.revoked_at, key.disabled_at, key.expires_at) if moment)]
        found.append(IssuedKey(key, plan, min(ends)))
    return found


def _issue(plan: Plan, created_by: Actor, kind: KeyType, predecessor: ApiKey | None, now: datetime) -> ApiKey:
    made = now - timedelta(days=plan.made)
    changed = next((days for days in (plan.revoked, plan.disabled, plan.quarantined, plan.rotated) if days), None)
    values: dict[str, Any] = {
        "id": uuid_at(made),
        "name": plan.name,
        "key_type": kind,
        "scopes": check_scopes(kind, plan.scopes),
        "subject": plan.subject,
        "allowed_networks": list(plan.networks),
        "expires_at": None if plan.expires is None else now + timedelta(days=plan.expires),
        "revoked_at": _ago(now, plan.revoked),
        "disabled_at": _ago(now, plan.disabled),
        **{STATUSES[word].column: _ago(now, plan.quarantined) for word in RESTRICTED_STATUSES},
        "overlap_since": _ago(now, plan.rotated),
        "replaces": predecessor,
        "status_reason": plan.reason,
        "status_changed_by": f"{created_by.kind}:{created_by.id}" if changed else "",
        "status_changed_at": _ago(now, changed),
        # The expiry of an expired key has already been announced.
        "announced_days": 0 if plan.expires is not None and plan.expires < 0 else NOT_ANNOUNCED,
        "created_at": made,
        "updated_at": made,
    }
    return transitions.issue(ApiKey, actor=created_by, **values)[0]


def _ago(now: datetime, days: float | None) -> datetime | None:
    return None if days is None else now - timedelta(days=days)


def _record_changes(audit_entries: AuditEntries, created_by: Actor, key: ApiKey, plan: Plan) -> None:
    target = ("api_key", key.public_id, key.name)
    settings_of_key = {
        "name": [None, key.name],
        "type": [None, plan.type],
        "scopes": [None, key.scopes],
        "expires_at": [None, format_timestamp(key.expires_at)],
        "allowed_networks": [None, key.allowed_networks],
    }
    if key.replaces is not None:
        old = ("api_key", key.replaces.public_id, key.replaces.name)
        audit_entries.add(key.created_at, created_by, "api_key.rotated", old, {"replaced_by": [None, key.public_id]})
    else:
        audit_entries.add(key.created_at, created_by, "api_key.created", target, settings_of_key)
    for change in CHANGES.values():
        moment = getattr(key, change.column) if change.sets_column else None
        if moment is not None:
            changes: dict[str, list[Any]] = {"status": ["active", change.audit_verb], "reason": [None, plan.reason]}
            audit_entries.add(moment, created_by, f"api_key.{change.audit_verb}", target, changes)

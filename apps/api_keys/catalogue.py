"""The built-in key types and scopes. They are added after each migration; operators' changes are never overwritten."""

import uuid
from typing import Any

from django.utils.translation import gettext_noop as _

from apps.api_keys.models import EVERY_SCOPE, KeyType, Package, Scope
from apps.base.permissions import HOST_RESOURCES, PORTAL_SCOPES, Permission

DESCRIPTIONS = {
    "users:read": _("See users"),
    "users:write": _("Create, change and remove users"),
    "api_keys:read": _("See API keys, masked"),
    "api_keys:write": _("Create, rotate and revoke API keys"),
    "api_keys:verify": _("Check somebody's API key"),
    "webhooks:read": _("See webhook endpoints and deliveries"),
    "webhooks:write": _("Create, change and test webhook endpoints"),
    "events:read": _("See events"),
    "events:write": _("Publish events"),
    "sdk_keys:read": _("See SDK keys and activations"),
    "sdk_keys:write": _("Create and revoke SDK keys, free activations"),
    "audit:read": _("See the audit log"),
    "audit:write": _("Reserved for the audit log"),
    "usage:read": _("See usage figures"),
    "usage:write": _("Reserved for usage figures"),
    "orders:read": _("See orders"),
    "orders:write": _("Create, change and cancel orders"),
    "invoices:read": _("See invoices"),
    "invoices:write": _("Create and change invoices"),
    "appointments:read": _("See appointments"),
    "appointments:write": _("Book, change and cancel appointments"),
    "assessments:read": _("See assessments"),
    "assessments:write": _("Create and change assessments"),
    "licenses:read": _("See licenses"),
    "licenses:write": _("Create and change licenses"),
}
HOST_SCOPES = tuple(f"{resource}:{action}" for resource in HOST_RESOURCES for action in ("read", "write"))
NO_LIMIT = 0

KEY_TYPES: dict[str, dict[str, Any]] = {
    "client": {
        "title": _("Client"),
        "description": _("For your clients: each key reaches the data of one client of yours and nothing else."),
        "scopes": ["orders:read", "orders:write", "invoices:read", "appointments:read"],
        "default_days": 90,
        "longest_days": 365,
        "needs_subject": True,
    },
    "partner": {
        "title": _("Partner"),
        "description": _(
            "For integration partners and developers: wide access with rate limits, webhooks, bulk calls."
        ),
        "scopes": [EVERY_SCOPE],
        "default_days": 90,
    },
    "internal": {
        "title": _("Internal"),
        "description": _("For your own applications and scripts: everything, without rate limits unless you set them."),
        "scopes": [EVERY_SCOPE],
        "may_hold_admin": True,
        "limit_minute": NO_LIMIT,
        "limit_hour": NO_LIMIT,
        "default_days": 90,
    },
    "user_data": {
        "title": _("User data"),
        "description": _("For user provisioning only. At most five live keys: revoke one to make another."),
        "scopes": ["users:read", "users:write"],
        "cap": 5,
        "default_days": 90,
        "longest_days": 365,
    },
    "platform": {
        "title": _("Platform"),
        "description": _("For the vendor's own product: verifies keys and publishes events of every organization."),
        "scopes": [Permission.API_KEYS_VERIFY, Permission.EVENTS_WRITE],
        "limit_minute": NO_LIMIT,
        "limit_hour": NO_LIMIT,
        "platform_only": True,
    },
}


def ensure_catalogue(**_options: Any) -> None:
    """Add the missing built-in scopes and key types."""
    for position, name in enumerate((*PORTAL_SCOPES, *HOST_SCOPES)):
        Scope.objects.get_or_create(
            name=str(name),
            defaults={"description": DESCRIPTIONS[name], "position": position * 10, "is_builtin": True},
        )
    for position, (name, values) in enumerate(KEY_TYPES.items()):
        KeyType.objects.get_or_create(name=name, defaults={**values, "position": position * 10, "is_builtin": True})


def contact_of(organization_id: uuid.UUID) -> str:
    """Return whom an organization should contact: the operator's text, or the default."""
    return (Package.objects.filter(pk=organization_id).first() or Package()).contact_text

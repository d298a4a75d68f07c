"""The built-in event types: name, description, JSON schema of ``data`` and a sample of it.

Portal types are published by the portal itself and always follow this file; host types are a starting set for the host
product, which operators can change. Schemas are JSON Schema draft 2020-12 with ``format`` checked.
"""

from typing import Any, NamedTuple

from django.utils.translation import gettext_noop as _

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


class EventKind(NamedTuple):
    """An event type: its description, the schema of its data and a valid sample."""

    description: str
    schema: Schema
    sample: dict[str, Any]


def text(max_length: int = 200) -> Schema:
    """Return the schema of a non-empty text."""
    return {"type": "string", "minLength": 1, "maxLength": max_length}


def words(*allowed: str) -> Schema:
    """Return the schema of an enumeration."""
    return {"enum": list(allowed)}


def identifier(prefix: str) -> Schema:
    """Return the schema of a public id, such as ``key_`` and 22 letters and digits."""
    return {"type": "string", "pattern": f"^{prefix}_[0-9A-Za-z]{{22}}$"}


def optional(schema: Schema) -> Schema:
    """Return the schema of a nullable value."""
    return {"anyOf": [schema, {"type": "null"}]}


def structure(required: dict[str, Schema], more: dict[str, Schema] | None = None, *, closed: bool = True) -> Schema:
    """Return the schema of an object; a closed one allows no other properties."""
    schema: Schema = {"type": "object", "properties": required | (more or {}), "required": list(required)}
    return schema | {"additionalProperties": False} if closed else schema


def kind(
    description: str,
    required: dict[str, Schema],
    sample: dict[str, Any],
    more: dict[str, Schema] | None = None,
) -> EventKind:
    """Return an event type whose data is an object with the required fields, and ``more`` as optional ones.

    The object is open: the portal and a host product can add fields without a new version.
    """
    return EventKind(description, {"$schema": DIALECT} | structure(required, more, closed=False), sample)


TIME: Schema = {"type": "string", "format": "date-time"}
DAY: Schema = {"type": "string", "format": "date"}
EMAIL: Schema = {"type": "string", "format": "email", "maxLength": 254}
URL: Schema = {"type": "string", "format": "uri", "maxLength": 2048}
WHOLE: Schema = {"type": "integer", "minimum": 0}
MONEY: Schema = structure({"amount": {"type": "string", "pattern": r"^-?\d{1,15}(\.\d{1,4})?$"}, "currency": {
    "type": "string", "pattern": "^[A-Z]{3}$"}})  # fmt: skip
NETWORK_ADDRESS: Schema = {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]}

USER = {"id": identifier("user"), "name": text(150), "email": EMAIL}
USER_SAMPLE = {"id": "user_01KAN3Zx8Qw2Rt5Yu7Io9P", "name": "Ada Lovelace", "email": "ada@example.com"}
API_KEY = {"id": identifier("key"), "name": text(100), "type": text(50), "mask": text(30)}
API_KEY_MORE = {
    "scopes": {"type": "array", "items": text(100)},
    "subject": optional(text(200)),
    "expires_at": optional(TIME),
    "reason": {"type": "string", "maxLength": 200},
}
API_KEY_SAMPLE = {
    "id": "key_01KAN3Zx8Qw2Rt5Yu7Io9P",
    "name": "Warehouse sync",
    "type": "partner",
    "mask": "ipk_4fGh••••x9Z2",
}
SDK_KEY = {
    "id": identifier("sdk"),
    "name": text(100),
    "platform": words("ios", "android", "web"),
    "mask": text(30),
}
SDK_KEY_MORE = {
    "app_id": optional(text(200)),
    "activation_limit": optional(WHOLE),
    "activation_id": identifier("act"),
    "reason": {"type": "string", "maxLength": 200},
}
SDK_KEY_SAMPLE = {
    "id": "sdk_01KAN3Zx8Qw2Rt5Yu7Io9P",
    "name": "Field app",
    "platform": "ios",
    "mask": "ips_7jKl••••p3Q8",
}
ACTIVATION_SAMPLE = {"activation_id": "act_01KAN3Zx8Qw2Rt5Yu7Io9P"}
ENDPOINT = {"id": identifier("ep"), "url": URL, "description": {"type": "string", "maxLength": 200}}
ENDPOINT_SAMPLE = {
    "id": "ep_01KAN3Zx8Qw2Rt5Yu7Io9P",
    "url": "https://hooks.example.com/orders",
    "description": "Order service",
}


def user_event(description: str) -> EventKind:
    """Return an event type about an account."""
    return kind(description, USER, USER_SAMPLE, {"changed": {"type": "array", "items": text(50)}})


def api_key_event(description: str, more: dict[str, Schema] | None = None, **sample: Any) -> EventKind:
    """Return an event type about an API key, with ``more`` optional fields and their ``sample``."""
    return kind(description, API_KEY, API_KEY_SAMPLE | sample, API_KEY_MORE | (more or {}))


def sdk_key_event(description: str, **sample: Any) -> EventKind:
    """Return an event type about an SDK key, with more ``sample`` fields."""
    return kind(description, SDK_KEY, SDK_KEY_SAMPLE | sample, SDK_KEY_MORE)


PORTAL_EVENTS: dict[str, EventKind] = {
    "user.created": user_event(_("An account was added to the organization.")),
    "user.updated": user_event(_("The name, address or role of a member was changed.")),
    "user.deleted": user_event(_("An account was removed from the organization.")),
    "api_key.created": api_key_event(_("An API key was created."), scopes=["orders:read"]),
    "api_key.rotated": api_key_event(
        _("An API key was replaced by a new one; the old one works until the overlap ends."),
        {"replaces": identifier("key"), "overlap_until": optional(TIME)},
        replaces="key_01KAM9Zx8Qw2Rt5Yu7Io9P",
        overlap_until="2026-11-23T10:00:00Z",
    ),
    "api_key.revoked": api_key_event(
        _("An API key was revoked; it stopped working at once."), reason="No longer needed"
    ),
    "api_key.expiring": api_key_event(
        _("An API key expires soon: 30, 14, 7 days or one day before."),
        {"days_left": WHOLE},
        expires_at="2026-11-29T10:00:00Z",
        days_left=7,
    ),
    "api_key.expired": api_key_event(
        _("An API key has expired."), {"days_left": WHOLE}, expires_at="2026-11-22T10:00:00Z", days_left=0
    ),
    "api_key.unusual_use": api_key_event(
        _("An API key was used in a way that it was not used before."),
        {
            "pattern": words("rate", "network", "refusals"),
            "address": optional(NETWORK_ADDRESS),
            "network": text(50),
            "known_networks": {"type": "array", "items": text(50)},
            "calls": WHOLE,
            "hour": TIME,
            "busiest_hour": WHOLE,
            "refused": WHOLE,
            "limited": WHOLE,
            "since": TIME,
        },
        pattern="network",
        reason="First call from the network 198.51.100.0/24",
        address="198.51.100.7",
        network="198.51.100.0/24",
        known_networks=["203.0.113.0/24"],
    ),
    "api_key.leaked": api_key_event(
        _("An API key was reported as public."),
        {
            "consequence": words("tell", "quarantine", "revoke", "none"),
            "where": {"type": "string", "maxLength": 500},
            "reported": {"type": "string", "maxLength": 40},
            "descendants": WHOLE,
        },
        consequence="quarantine",
        where="https://code.example.com/app/config.py",
    ),
    "sdk_key.created": sdk_key_event(_("An SDK key was created."), app_id="com.example.field", activation_limit=100),
    "sdk_key.revoked": sdk_key_event(_("An SDK key was revoked."), reason="App retired"),
    "sdk_key.activated": sdk_key_event(_("A device was activated."), **ACTIVATION_SAMPLE),
    "sdk_key.deactivated": sdk_key_event(_("A device gave up its activation, or it was freed."), **ACTIVATION_SAMPLE),
    "sdk_key.limit_reached": sdk_key_event(_("Every activation of an SDK key is taken."), activation_limit=100),
    "endpoint.failing": kind(
        _("A webhook endpoint fails again and again."),
        ENDPOINT,
        ENDPOINT_SAMPLE | {"failures": 10, "failing_since": "2026-11-22T10:00:00Z"},
        {"failures": WHOLE, "failing_since": optional(TIME)},
    ),
    "endpoint.recovered": kind(_("A failing webhook endpoint takes deliveries again."), ENDPOINT, ENDPOINT_SAMPLE),
    "endpoint.disabled": kind(
        _("A webhook endpoint was disabled by the portal; its events are held."),
        ENDPOINT,
        ENDPOINT_SAMPLE | {"reason": "failing"},
        {"reason": words("gone", "failing")},
    ),
}

ORDER = {"order_id": text(64), "status": text(40)}
ORDER_MORE = {
    "customer": optional(text(200)),
    "total": MONEY,
    "lines": {"type": "array", "maxItems": 500, "items": structure(
        {"sku": text(64), "quantity": {"type": "integer", "minimum": 1}}, {"price": MONEY}, closed=False)},
    "placed_at": TIME,
}  # fmt: skip
ORDER_SAMPLE = {
    "order_id": "ORD-10042",
    "status": "placed",
    "customer": "CUST-77",
    "total": {"amount": "129.90", "currency": "EUR"},
    "lines": [{"sku": "SKU-1", "quantity": 2, "price": {"amount": "64.95", "currency": "EUR"}}],
    "placed_at": "2026-11-22T10:00:00Z",
}
INVOICE = {"invoice_id": text(64), "total": MONEY}
INVOICE_MORE = {"order_id": optional(text(64)), "customer": optional(text(200)), "due_on": DAY, "paid_at": TIME}
INVOICE_SAMPLE = {
    "invoice_id": "INV-2026-0042",
    "total": {"amount": "129.90", "currency": "EUR"},
    "order_id": "ORD-10042",
    "customer": "CUST-77",
    "due_on": "2026-12-22",
}
APPOINTMENT = {"appointment_id": text(64), "starts_at": TIME}
APPOINTMENT_MORE = {"ends_at": TIME, "subject": text(), "customer": optional(text(200)), "location": text()}
APPOINTMENT_SAMPLE = {
    "appointment_id": "APP-311",
    "starts_at": "2026-12-01T09:00:00Z",
    "ends_at": "2026-12-01T09:30:00Z",
    "subject": "Fitting",
    "customer": "CUST-77",
}

HOST_PRODUCT_EVENTS: dict[str, EventKind] = {
    "assessment.completed": kind(
        _("A person finished an assessment."),
        {"assessment_id": text(64), "completed_at": TIME},
        {
            "assessment_id": "ASM-905",
            "completed_at": "2026-11-22T10:00:00Z",
            "participant": "PART-12",
            "score": 87.5,
            "passed": True,
        },
        {"participant": optional(text(200)), "score": {"type": "number"}, "passed": {"type": "boolean"}},
    ),
    "license.updated": kind(
        _("A licence was granted, changed or ended."),
        {"license_id": text(64), "status": text(40)},
        {"license_id": "LIC-8", "status": "active", "product": "Pro", "seats": 25, "valid_until": "2027-11-22"},
        {"product": text(), "seats": optional(WHOLE), "valid_until": optional(DAY)},
    ),
    "order.created": kind(_("An order was placed."), ORDER, ORDER_SAMPLE, ORDER_MORE),
    "order.updated": kind(_("An order was changed."), ORDER, ORDER_SAMPLE | {"status": "shipped"}, ORDER_MORE),
    "order.cancelled": kind(
        _("An order was cancelled."),
        ORDER,
        {"order_id": "ORD-10042", "status": "cancelled", "reason": "Customer's wish"},
        ORDER_MORE | {"reason": text()},
    ),
    "invoice.created": kind(_("An invoice was issued."), INVOICE, INVOICE_SAMPLE, INVOICE_MORE),
    "invoice.paid": kind(
        _("An invoice was paid in full."),
        INVOICE,
        INVOICE_SAMPLE | {"paid_at": "2026-11-30T08:15:00Z"},
        INVOICE_MORE,
    ),
    "appointment.booked": kind(_("An appointment was booked."), APPOINTMENT, APPOINTMENT_SAMPLE, APPOINTMENT_MORE),
    "appointment.cancelled": kind(
        _("An appointment was cancelled."),
        APPOINTMENT,
        {"appointment_id": "APP-311", "starts_at": "2026-12-01T09:00:00Z", "reason": "Ill"},
        APPOINTMENT_MORE | {"reason": text()},
    ),
}

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
    return {"type": "string", "enum": list(allowed)}


def identifier(prefix: str) -> Schema:
    """Return the schema of a public id, such as ``key_`` and 22 letters and digits."""
    return {"type": "string", "pattern": f"^{prefix}_[0-9A-Za-z]{{22}}$"}


def optional(schema: Schema) -> Schema:
    """Return the schema of a nullable value."""
    return {**schema, "type": [schema["type"], "null"]}


def described(schema: Schema, description: str) -> Schema:
    """Return the schema of a field with its meaning, which generated documentation and client libraries show."""
    return schema | {"description": description}


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
AMOUNT: Schema = {"type": "string", "pattern": r"^-?\d{1,15}(\.\d{1,4})?$"}
CURRENCY: Schema = {"type": "string", "pattern": "^[A-Z]{3}$"}
MONEY: Schema = structure(
    {
        "amount": described(AMOUNT, "The amount as a decimal number in a string, so that no digit is lost."),
        "currency": described(CURRENCY, "The currency (ISO 4217)."),
    }
)
IP_ADDRESS: Schema = {"type": "string", "minLength": 2, "maxLength": 45}

USER = {
    "id": described(identifier("user"), "The user's id."),
    "name": described(text(150), "The user's name."),
    "email": described(EMAIL, "The user's mail address."),
}
USER_SAMPLE = {"id": "user_01KAN3Zx8Qw2Rt5Yu7Io9P", "name": "Ada Lovelace", "email": "ada@example.com"}
API_KEY = {
    "id": described(identifier("key"), "The key's id."),
    "name": described(text(100), "The key's name."),
    "type": described(text(50), "The name of its key type."),
    "mask": described(text(30), "The key with most of it hidden."),
}
API_KEY_MORE = {
    "scopes": described({"type": "array", "items": text(100)}, "What the key may do."),
    "subject": described(optional(text(200)), "Whom the key acts for."),
    "expires_at": described(optional(TIME), "When it stops working; null: never."),
    "reason": described({"type": "string", "maxLength": 200}, "Why it happened."),
}
API_KEY_SAMPLE = {
    "id": "key_01KAN3Zx8Qw2Rt5Yu7Io9P",
    "name": "Warehouse sync",
    "type": "partner",
    "mask": "ipk_4fGh••••x9Z2",
}
SDK_KEY = {
    "id": described(identifier("sdk"), "The key's id."),
    "name": described(text(100), "The key's name."),
    "platform": described(words("ios", "android", "web"), "What the app runs on."),
    "mask": described(text(30), "The key with most of it hidden."),
}
SDK_KEY_MORE = {
    "app_id": described(optional(text(200)), "The bundle id or package name of the app."),
    "activation_limit": described(optional(WHOLE), "How many devices can be active at once; null: any number."),
    "activation_id": described(identifier("act"), "The id of the device's activation."),
    "reason": described({"type": "string", "maxLength": 200}, "Why it happened."),
}
SDK_KEY_SAMPLE = {
    "id": "sdk_01KAN3Zx8Qw2Rt5Yu7Io9P",
    "name": "Field app",
    "platform": "ios",
    "mask": "ips_7jKl••••p3Q8",
}
ACTIVATION_SAMPLE = {"activation_id": "act_01KAN3Zx8Qw2Rt5Yu7Io9P"}
ENDPOINT = {
    "id": described(identifier("ep"), "The endpoint's id."),
    "url": described(URL, "Where events are sent; the values of the query are masked."),
    "description": described({"type": "string", "maxLength": 200}, "What people know the endpoint by."),
}
ENDPOINT_SAMPLE = {
    "id": "ep_01KAN3Zx8Qw2Rt5Yu7Io9P",
    "url": "https://hooks.example.com/orders",
    "description": "Order service",
}


CHANGED = described({"type": "array", "items": text(50)}, "The names of the fields that changed.")
DAYS_LEFT = described(WHOLE, "How many days are left.")


def user_event(description: str) -> EventKind:
    """Return an event type about an account."""
    return kind(description, USER, USER_SAMPLE, {"changed": CHANGED})


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
        {
            "replaces": described(identifier("key"), "The id of the key that was replaced."),
            "overlap_until": described(optional(TIME), "Until when the old key works; null: it has stopped."),
        },
        replaces="key_01KAM9Zx8Qw2Rt5Yu7Io9P",
        overlap_until="2026-11-23T10:00:00Z",
    ),
    "api_key.revoked": api_key_event(
        _("An API key was revoked; it stopped working at once."), reason="No longer needed"
    ),
    "api_key.expiring": api_key_event(
        _("An API key expires soon: 30, 14, 7 days or one day before."),
        {"days_left": DAYS_LEFT},
        expires_at="2026-11-29T10:00:00Z",
        days_left=7,
    ),
    "api_key.expired": api_key_event(
        _("An API key has expired."), {"days_left": DAYS_LEFT}, expires_at="2026-11-22T10:00:00Z", days_left=0
    ),
    "api_key.unusual_use": api_key_event(
        _("An API key was used in a way that it was not used before."),
        {
            "pattern": described(
                words("rate", "network", "refusals"), "What is unusual: see docs/api.md, Event types."
            ),
            "address": described(optional(IP_ADDRESS), "The IP address of the call, where one is meant."),
            "network": described(text(50), "The network that is new for the key."),
            "known_networks": described({"type": "array", "items": text(50)}, "The networks that it was used from."),
            "calls": described(WHOLE, "How many calls there were."),
            "hour": described(TIME, "The start of the hour with unusually many calls."),
            "busiest_hour": described(WHOLE, "The most calls in an hour of the 28 days before."),
            "refused": described(WHOLE, "How many calls were answered with 4xx."),
            "limited": described(WHOLE, "How many of them with 429."),
            "since": described(TIME, "From when on calls were counted."),
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
            "consequence": described(words("tell", "quarantine", "revoke", "none"), "What was done to the key."),
            "where": described({"type": "string", "maxLength": 500}, "Where it was found, without the key."),
            "reported": described(
                {"type": "string", "maxLength": 40}, "The id of the reported key, where this one is its successor."
            ),
            "descendants": described(WHOLE, "How many things that it created still work."),
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
        {
            "failures": described(WHOLE, "How many attempts failed in a row."),
            "failing_since": described(optional(TIME), "Since when they fail."),
        },
    ),
    "endpoint.recovered": kind(_("A failing webhook endpoint takes deliveries again."), ENDPOINT, ENDPOINT_SAMPLE),
    "endpoint.disabled": kind(
        _("A webhook endpoint was disabled by the portal; its events are held."),
        ENDPOINT,
        ENDPOINT_SAMPLE | {"reason": "failing"},
        {"reason": described(words("gone", "failing"), "Why: it answered 410, or it failed for too long.")},
    ),
}

CUSTOMER = described(optional(text(200)), "The customer, as the product names it.")
TOTAL = described(MONEY, "The amount to pay.")
REASON = described(text(), "Why it happened.")
ORDER = {
    "order_id": described(text(64), "The order's id in the product."),
    "status": described(text(40), "The order's state, such as placed or shipped."),
}
ORDER_MORE = {
    "customer": CUSTOMER,
    "total": TOTAL,
    "lines": described(
        {
            "type": "array",
            "maxItems": 500,
            "items": structure(
                {
                    "sku": described(text(64), "The article."),
                    "quantity": described({"type": "integer", "minimum": 1}, "How many of it."),
                },
                {"price": described(MONEY, "The price of one.")},
                closed=False,
            ),
        },
        "The lines of the order.",
    ),
    "placed_at": described(TIME, "When the order was placed."),
}
ORDER_SAMPLE = {
    "order_id": "ORD-10042",
    "status": "placed",
    "customer": "CUST-77",
    "total": {"amount": "129.90", "currency": "EUR"},
    "lines": [{"sku": "SKU-1", "quantity": 2, "price": {"amount": "64.95", "currency": "EUR"}}],
    "placed_at": "2026-11-22T10:00:00Z",
}
INVOICE = {"invoice_id": described(text(64), "The invoice's id in the product."), "total": TOTAL}
INVOICE_MORE = {
    "order_id": described(optional(text(64)), "The order that it is for."),
    "customer": CUSTOMER,
    "due_on": described(DAY, "The day it is due."),
    "paid_at": described(TIME, "When it was paid."),
}
INVOICE_SAMPLE = {
    "invoice_id": "INV-2026-0042",
    "total": {"amount": "129.90", "currency": "EUR"},
    "order_id": "ORD-10042",
    "customer": "CUST-77",
    "due_on": "2026-12-22",
}
APPOINTMENT = {
    "appointment_id": described(text(64), "The appointment's id in the product."),
    "starts_at": described(TIME, "When it starts."),
}
APPOINTMENT_MORE = {
    "ends_at": described(TIME, "When it ends."),
    "subject": described(text(), "What it is about."),
    "customer": CUSTOMER,
    "location": described(text(), "Where it takes place."),
}
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
        {
            "assessment_id": described(text(64), "The assessment's id in the product."),
            "completed_at": described(TIME, "When it was finished."),
        },
        {
            "assessment_id": "ASM-905",
            "completed_at": "2026-11-22T10:00:00Z",
            "participant": "PART-12",
            "score": 87.5,
            "passed": True,
        },
        {
            "participant": described(optional(text(200)), "Who took it, as the product names them."),
            "score": described({"type": "number"}, "The score."),
            "passed": described({"type": "boolean"}, "Whether it was passed."),
        },
    ),
    "license.updated": kind(
        _("A licence was granted, changed or ended."),
        {
            "license_id": described(text(64), "The licence's id in the product."),
            "status": described(text(40), "The licence's state, such as active."),
        },
        {"license_id": "LIC-8", "status": "active", "product": "Pro", "seats": 25, "valid_until": "2027-11-22"},
        {
            "product": described(text(), "What is licensed."),
            "seats": described(optional(WHOLE), "For how many people; null: any number."),
            "valid_until": described(optional(DAY), "The last day; null: without end."),
        },
    ),
    "order.created": kind(_("An order was placed."), ORDER, ORDER_SAMPLE, ORDER_MORE),
    "order.updated": kind(_("An order was changed."), ORDER, ORDER_SAMPLE | {"status": "shipped"}, ORDER_MORE),
    "order.cancelled": kind(
        _("An order was cancelled."),
        ORDER,
        {"order_id": "ORD-10042", "status": "cancelled", "reason": "Customer's wish"},
        ORDER_MORE | {"reason": REASON},
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
        APPOINTMENT_MORE | {"reason": REASON},
    ),
}

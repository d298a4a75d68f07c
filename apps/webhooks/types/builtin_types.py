"""The event types that the portal publishes, each with its description, the JSON schema of ``data`` and a sample.

Their rows in the database are updated from this file. ``host_product_types`` has those of the host product. Schemas are
JSON Schema draft 2020-12, and ``format`` is checked.
"""

from typing import Any

from django.utils.translation import gettext_noop as _

from apps.webhooks.types.event_schemas import (
    EMAIL,
    INTEGER,
    IP_ADDRESS,
    TIME,
    URL,
    EventTypeSpec,
    Schema,
    described,
    enum_of,
    event_type,
    identifier,
    optional,
    text,
)

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
API_KEY_OPTIONAL = {
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
    "platform": described(enum_of("ios", "android", "web"), "What the app runs on."),
    "mask": described(text(30), "The key with most of it hidden."),
}
SDK_KEY_OPTIONAL = {
    "app_id": described(optional(text(200)), "The bundle id or package name of the app."),
    "activation_limit": described(optional(INTEGER), "How many devices can be active at once; null: any number."),
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
DAYS_LEFT = described(INTEGER, "How many days are left.")


def user_event(description: str) -> EventTypeSpec:
    """Return an event type about a user."""
    return event_type(description, USER, USER_SAMPLE, {"changed": CHANGED})


def api_key_event(description: str, optional_fields: dict[str, Schema] | None = None, **sample: Any) -> EventTypeSpec:
    """Return an event type about an API key, with further optional fields and their sample."""
    return event_type(description, API_KEY, API_KEY_SAMPLE | sample, API_KEY_OPTIONAL | (optional_fields or {}))


def sdk_key_event(description: str, **sample: Any) -> EventTypeSpec:
    """Return an event type about an SDK key; ``sample`` adds optional fields to the sample."""
    return event_type(description, SDK_KEY, SDK_KEY_SAMPLE | sample, SDK_KEY_OPTIONAL)


PORTAL_EVENTS: dict[str, EventTypeSpec] = {
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
                enum_of("rate", "network", "refusals"),
                "What is unusual: more requests than usual, a network that is new to the key, or many refusals.",
            ),
            "address": described(optional(IP_ADDRESS), "The IP address of the call, where one is meant."),
            "network": described(text(50), "The network that is new for the key."),
            "known_networks": described({"type": "array", "items": text(50)}, "The networks that it was used from."),
            "calls": described(INTEGER, "How many calls there were."),
            "hour": described(TIME, "The start of the hour with unusually many calls."),
            "busiest_hour": described(INTEGER, "The most calls in an hour of the 28 days before."),
            "refused": described(INTEGER, "How many calls were answered with 4xx."),
            "limited": described(INTEGER, "How many of them with 429."),
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
            "consequence": described(enum_of("tell", "quarantine", "revoke", "none"), "What was done to the key."),
            "where": described({"type": "string", "maxLength": 500}, "Where it was found, without the key."),
            "reported": described(
                {"type": "string", "maxLength": 40}, "The id of the reported key, where this one is its successor."
            ),
            "descendants": described(INTEGER, "How many things that it created still work."),
        },
        consequence="quarantine",
        where="https://code.example.com/app/config.py",
    ),
    "sdk_key.created": sdk_key_event(_("An SDK key was created."), app_id="com.example.field", activation_limit=100),
    "sdk_key.revoked": sdk_key_event(_("An SDK key was revoked."), reason="App retired"),
    "sdk_key.activated": sdk_key_event(_("A device was activated."), **ACTIVATION_SAMPLE),
    "sdk_key.deactivated": sdk_key_event(_("A device gave up its activation, or it was freed."), **ACTIVATION_SAMPLE),
    "sdk_key.limit_reached": sdk_key_event(_("Every activation of an SDK key is taken."), activation_limit=100),
    "endpoint.failing": event_type(
        _("A webhook endpoint fails again and again."),
        ENDPOINT,
        ENDPOINT_SAMPLE | {"failures": 10, "failing_since": "2026-11-22T10:00:00Z"},
        {
            "failures": described(INTEGER, "How many attempts failed in a row."),
            "failing_since": described(optional(TIME), "Since when they fail."),
        },
    ),
    "endpoint.recovered": event_type(
        _("A failing webhook endpoint takes deliveries again."), ENDPOINT, ENDPOINT_SAMPLE
    ),
    "endpoint.disabled": event_type(
        _("A webhook endpoint was disabled by the portal; its events are held."),
        ENDPOINT,
        ENDPOINT_SAMPLE | {"reason": "failing"},
        {"reason": described(enum_of("gone", "failing"), "Why: it answered 410, or it failed for too long.")},
    ),
}

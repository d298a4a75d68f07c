"""Examples for the forms of the browsable API from the organization's own data: key types, scopes, events, URLs."""

from collections.abc import Callable, Mapping
from datetime import timedelta

from django.utils import timezone

from apps.api_keys.view_models.type_cards import KeyTypeOptions
from apps.base.actor import Actor
from apps.base.rest.browsable.controls import OrganizationExample
from apps.base.timestamps import format_timestamp
from apps.sdk_keys.models import Platform, SdkKey
from apps.webhooks.actions.replays import REPLAYABLE
from apps.webhooks.models import Endpoint, Event, EventType

DEFAULT_TYPE = "partner"
WILDCARD = "*"
MAX_ADDRESSES = 20
Examples = Mapping[str, OrganizationExample]


def own_examples(actor: Actor, operation_id: str) -> Examples:
    """Return examples for the fields of an operation's body, or an empty mapping if there are none."""
    make = EXAMPLE_BUILDERS.get(operation_id)
    return make(actor) if make else {}


def _new_key(actor: Actor) -> Examples:
    """Return a key type that can be used now, with scopes that the actor can grant."""
    type_options = KeyTypeOptions.for_actor(actor)
    possible = [key_type for key_type in type_options.types if type_options.refusal(key_type) is None]
    key_type = next((each for each in possible if each.name == DEFAULT_TYPE), possible[0] if possible else None)
    if key_type is None:
        return {}
    grantable = type_options.scope_choices(key_type).grantable
    scopes = [scope.name for scope in type_options.scopes if scope.name in grantable]
    reads = [name for name in scopes if name.endswith(":read")]
    subject = {"subject": OrganizationExample("client-1001")} if key_type.name == "client" else {}
    return {
        "type": OrganizationExample(key_type.name, [each.name for each in possible]),
        "scopes": OrganizationExample((reads or scopes)[:2], scopes),
        "expires_in_days": OrganizationExample(type_options.default_lifetime_days(key_type)),
        **subject,
    }


def _changed_key(actor: Actor) -> Examples:
    return {"scopes": OrganizationExample(None, [scope.name for scope in KeyTypeOptions.for_actor(actor).scopes])}


def _event_types() -> list[str]:
    return list(EventType.objects.order_by("name").values_list("name", flat=True))


def _patterns() -> list[str]:
    """Return every event type and the wildcard patterns."""
    names = _event_types()
    wildcards = sorted({f"{name.partition('.')[0]}.{WILDCARD}" for name in names})
    return [WILDCARD, *wildcards, *names]


def _endpoint(actor: Actor) -> Examples:
    rows = Endpoint.objects.for_actor(actor).existing().order_by("-pk")[:MAX_ADDRESSES]
    # A query string can contain a token, so such URLs are no examples.
    addresses = list(dict.fromkeys(row.url for row in rows if "?" not in row.url))
    return {
        "url": OrganizationExample(addresses[0] if addresses else None, addresses),
        "event_types": OrganizationExample(None, _patterns()),
    }


def _test(actor: Actor) -> Examples:
    """Return the type of the organization's newest event."""
    newest = Event.objects.for_actor(actor).order_by("-pk").values_list("type", flat=True).first()
    return {"event_type": OrganizationExample(newest, _event_types())}


def _replay(actor: Actor) -> Examples:
    return {
        "since": OrganizationExample(format_timestamp(timezone.now() - timedelta(days=1))),
        "status": OrganizationExample(None, REPLAYABLE),
        "event_types": OrganizationExample(None, _event_types()),
    }


def _sdk_key(actor: Actor) -> Examples:
    apps = SdkKey.objects.for_actor(actor).exclude(app_id="").order_by("-pk").values_list("app_id", flat=True)
    known = list(dict.fromkeys(apps[:MAX_ADDRESSES]))
    return {
        "platform": OrganizationExample(None, list(Platform.values)),
        "app_id": OrganizationExample(known[0] if known else None, known),
    }


EXAMPLE_BUILDERS: Mapping[str, Callable[[Actor], Examples]] = {
    "createApiKey": _new_key,
    "updateApiKey": _changed_key,
    "createWebhookEndpoint": _endpoint,
    "updateWebhookEndpoint": _endpoint,
    "testWebhookEndpoint": _test,
    "replayWebhookEndpoint": _replay,
    "createSdkKey": _sdk_key,
    "updateSdkKey": _sdk_key,
}

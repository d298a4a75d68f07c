"""The objects and bodies of ``/v1/webhook-endpoints``, replays left out."""

import uuid
from datetime import datetime

from apps.base.crypto.secrets import MASK_DOTS
from apps.base.rest.fields import (
    SECRET_INPUT,
    Choice,
    Id,
    ListOf,
    Nested,
    PlainText,
    StrictInteger,
    StrictString,
    TextList,
    TextMap,
    Timestamp,
    computed,
)
from apps.base.rest.serializers import ResponseSerializer, StrictSerializer, one_time_secret
from apps.webhooks.actions import HELD_CHOICES
from apps.webhooks.models import Endpoint, EndpointHealth, EndpointStatus

URL = "https://hooks.acme.example/in"


class EndpointWarningSerializer(ResponseSerializer):
    """Something about an endpoint that may be a mistake.

    The row is the key of another endpoint with the same URL.
    """

    @computed(Choice(["duplicate_url"], "What it is: another endpoint has the same URL, so both get each event."))
    def code(self, _other: uuid.UUID) -> str:
        return "duplicate_url"

    endpoint = Id("The other endpoint.", prefix="ep", source="*")


class WebhookEndpointSerializer(ResponseSerializer):
    """A webhook endpoint.

    Context: ``held_counts`` and ``same_url``, by primary key.
    """

    id = Id("The endpoint's id.", prefix="ep", source="pk")
    url = StrictString("Where events are sent.", example=URL, max_length=2048)
    description = PlainText("What people know the endpoint by.", example="Order desk", max_length=200)
    event_types = TextList(
        "The types it gets, at least one: names, a prefix such as `order.*`, or `*` for all. Unknown ones are refused.",
        example=["order.*"],
        max_length=200,
    )

    @computed(TextMap("The organization's own headers; values are masked.", example={"X-Team": "••••"}))
    def headers(self, endpoint: Endpoint) -> dict[str, str]:
        return dict.fromkeys(endpoint.custom_headers or (), MASK_DOTS)

    status = Choice(EndpointStatus.values, "Whether events are sent to it.", example="enabled")
    health = Choice(EndpointHealth.values, "Whether its deliveries succeed.", example="healthy")
    disabled_reason = StrictString("Why the portal disabled it.", allow_null=True)
    rate_limit_per_second = StrictInteger(
        "The most deliveries per second; null: no limit.", allow_null=True, min_value=1, max_value=1000
    )
    max_in_flight = StrictInteger("The most deliveries at a time.", example=16, min_value=1, max_value=64)
    created_at = Timestamp("When it was created.")

    @computed(StrictInteger("How many deliveries are held because it is paused or disabled.", example=0))
    def held_count(self, endpoint: Endpoint) -> int:
        return int(self.context.get("held_counts", {}).get(endpoint.pk, 0))

    @computed(Timestamp("Since when its deliveries fail.", allow_null=True))
    def failing_since(self, endpoint: Endpoint) -> datetime | None:
        return endpoint.failing_since if endpoint.health == EndpointHealth.FAILING else None

    @computed(
        ListOf(
            Nested(EndpointWarningSerializer),
            "What may be a mistake about it: each other endpoint of the organization with the same URL.",
            example=[],
        )
    )
    def warnings(self, endpoint: Endpoint) -> list[uuid.UUID]:
        return list(self.context.get("same_url", {}).get(endpoint.pk, ()))


class WebhookEndpointWithSecretSerializer(WebhookEndpointSerializer):
    """A webhook endpoint with its signing secret, which is in this response and never again.

    Context: ``secret``.
    """

    secret = one_time_secret(
        "The signing secret. A response that is repeated for an Idempotency-Key lacks it.",
        example="whsec_SHOWN_ONCE_IN_THIS_ANSWER",
    )


class UpdateWebhookEndpointBody(StrictSerializer):
    """Changes to an endpoint."""

    usual = ["description"]

    url = WebhookEndpointSerializer.field(
        "url",
        help_text="Where events are sent: port 80, 443 or 1024–65535, no user name, no fragment.",
        required=False,
    )
    event_types = WebhookEndpointSerializer.field("event_types", required=False)
    description = WebhookEndpointSerializer.field("description", allow_blank=True, required=False)
    headers = TextMap(
        "Headers that each delivery gets, at most 20; they replace those there are, and `••••` keeps a stored value. "
        "Names have 1–64 characters, values 1–4,096 visible ASCII characters, with spaces only inside.",
        example={"X-Team": "blue"},
        required=False,
        style=SECRET_INPUT,
    )
    rate_limit_per_second = WebhookEndpointSerializer.field("rate_limit_per_second", example=20, required=False)
    max_in_flight = WebhookEndpointSerializer.field("max_in_flight", required=False)


class CreateWebhookEndpointBody(UpdateWebhookEndpointBody):
    """A new endpoint."""

    usual = ["url", "event_types", "description"]

    url = UpdateWebhookEndpointBody.field("url", required=True)
    event_types = WebhookEndpointSerializer.field("event_types")
    max_in_flight = UpdateWebhookEndpointBody.field(
        "max_in_flight", help_text="The most deliveries at a time; 16 unless given."
    )


class TestWebhookEndpointBody(StrictSerializer):
    """Which sample to send."""

    __test__ = False  # for pytest: this class is not a test, despite its name
    usual = ["event_type"]

    event_type = PlainText(
        "The type whose sample is sent. If left out: `order.created` if the endpoint gets it, else its first by name.",
        example="order.created",
        max_length=100,
        required=False,
    )


class EnableWebhookEndpointBody(StrictSerializer):
    """What becomes of held deliveries."""

    usual = ["held"]

    held = Choice(
        HELD_CHOICES,
        "What becomes of held deliveries: they are sent at the endpoint's rate, stay held, or are dropped.",
        default="send",
    )


class RotateWebhookSecretBody(StrictSerializer):
    """How long the old secret signs, too."""

    usual = ["overlap_seconds"]

    overlap_seconds = StrictInteger(
        "For how many seconds the old secret signs beside the new one.",
        example=86400,
        min_value=0,
        max_value=30 * 24 * 3600,
        default=86_400,
    )

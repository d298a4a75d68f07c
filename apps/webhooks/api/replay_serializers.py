"""The objects and bodies of replays."""

from apps.base.rest.fields import (
    Choice,
    Id,
    ListOf,
    Nested,
    StrictBoolean,
    StrictInteger,
    TextList,
    Timestamp,
    computed,
)
from apps.base.rest.serializers import ResponseSerializer, StrictSerializer
from apps.webhooks.api.delivery_serializers import DeliveryEndpointSerializer
from apps.webhooks.models import DeliveryStatus, ReplayJob
from apps.webhooks.models.replays import ReplayStatus


class ReplayFiltersSerializer(ResponseSerializer):
    """Which events a replay sends again."""

    since = Timestamp("Events from this time on.", example="2026-11-22T06:14:00Z", allow_null=True)
    until = Timestamp("Events before this time.", allow_null=True)
    status = ListOf(
        Choice(DeliveryStatus.values),
        "Events whose newest delivery to the endpoint has one of these statuses.",
        example=["exhausted"],
        source="statuses",
    )

    @computed(TextList("Events of these types; null: all.", example=None, allow_null=True))
    def event_types(self, job: ReplayJob) -> list[str] | None:
        return job.event_types or None


class ReplaySerializer(ResponseSerializer):
    """A replay with its progress; select its endpoint with it."""

    id = Id("The replay's id.", prefix="rpl", source="pk")
    status = Choice(ReplayStatus.values, "The replay's state.", example="running")
    count = StrictInteger("How many events it sends.", example=37)
    sent = StrictInteger("How many were sent.", example=24)
    succeeded = StrictInteger("How many of them succeeded.", example=22)
    failed = StrictInteger("How many of them failed; a retry that succeeds takes one off.", example=2)
    endpoint = Nested(DeliveryEndpointSerializer, "The endpoint.", source="*")
    filters = Nested(ReplayFiltersSerializer, "Which events it sends.", source="*")
    rate_per_second = StrictInteger(
        "The most events per second; null: as fast as the endpoint takes them.",
        example=10,
        allow_null=True,
        min_value=1,
        max_value=1000,
    )
    created_at = Timestamp("When it was started.", example="2026-11-24T08:12:30Z")
    finished_at = Timestamp("When it ended.", allow_null=True)


class ReplayCountSerializer(ResponseSerializer):
    """The result of a dry run."""

    count = StrictInteger("How many events a replay would send.", example=37)


class ReplayWebhookEndpointBody(StrictSerializer):
    """Which events to send again, and how fast."""

    usual = ["since", "status", "dry_run"]

    since = ReplayFiltersSerializer.field("since", required=False)
    until = ReplayFiltersSerializer.field("until", required=False)
    status = TextList(
        "Events whose newest delivery to the endpoint has one of these statuses: exhausted, succeeded or dropped.",
        example=["exhausted"],
        default=lambda: [DeliveryStatus.EXHAUSTED.value],
        max_length=10,
    )
    event_types = TextList(
        "Events of these types: names, `prefix.*` or `*`; all of them if left out.",
        example=["order.created"],
        required=False,
        min_length=1,
        max_length=200,
    )
    dry_run = StrictBoolean("Whether to count only.", example=True, default=False)
    rate_per_second = ReplaySerializer.field("rate_per_second", required=False)

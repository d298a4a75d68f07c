"""The objects of ``/v1/usage`` and of a key's usage."""

from datetime import datetime
from typing import Any

from apps.audit.calls.usage_report import KeyCalls, UsageReport
from apps.audit.models import LastUse
from apps.base.rest.fields import Id, ListOf, Nested, StrictInteger, StrictString, TextList, Timestamp, computed
from apps.base.rest.serializers import ResponseSerializer
from apps.credentials.serializers import KeySerializer


class UsageByStatusSerializer(ResponseSerializer):
    """The number of calls by status of the response."""

    success = StrictInteger("Calls that were answered with 2xx or 3xx.", example=11, name="2xx")
    client_error = StrictInteger("Calls that were answered with 4xx, other than 429.", example=1, name="4xx")
    rate_limited = StrictInteger("Calls that were answered with 429.", example=0, name="429")
    server_error = StrictInteger("Calls that were answered with 5xx.", example=0, name="5xx")

    def to_representation(self, instance: dict[str, int]) -> dict[str, Any]:
        """Return the counts; the names of the fields are those of the status classes."""
        return {name: instance[name] for name in self._declared_fields}


class UsageBucketSerializer(ResponseSerializer):
    """The calls of one hour or day."""

    at = Timestamp("When it starts.", example="2026-11-24T08:00:00Z")
    count = StrictInteger("Calls.", example=12, source="calls")
    errors_ = StrictInteger("Calls that were answered with 400 or more.", example=1, name="errors", source="errors")


class RouteUsageSerializer(ResponseSerializer):
    """The calls of one route."""

    method = StrictString("The HTTP method.", example="GET")
    route = StrictString("The path, with its parameters in braces.", example="/v1/users")
    count = StrictInteger("Calls.", example=12, source="calls")


class AddressUsageSerializer(ResponseSerializer):
    """The calls from one IP address."""

    address = StrictString("The address; null where it is not known.", example="203.0.113.24", allow_null=True)
    count = StrictInteger("Calls.", example=12, source="calls")
    last_at = Timestamp("When the last of them came.", example="2026-11-24T08:12:30Z", allow_null=True)


class KeyUsageSerializer(ResponseSerializer):
    """The calls in a span of time. Lists have the 200 entries with the most calls.

    Context: ``last_use``.
    """

    total = StrictInteger("All calls.", example=12)
    by_status = Nested(UsageByStatusSerializer, "Calls by status of the response.")
    series = ListOf(Nested(UsageBucketSerializer), "Calls by hour or day, oldest first.")
    routes = ListOf(Nested(RouteUsageSerializer), "Calls by route, the most first.")
    addresses = ListOf(Nested(AddressUsageSerializer), "Calls by IP address, the most first.")
    scopes_used = TextList(
        "The scopes that calls needed: `users:read` where a key with `users:write` read. Refused calls use none.",
        example=["users:read"],
        source="scopes",
    )

    @computed(KeySerializer.field("last_used_at"))
    def last_used_at(self, _report: UsageReport) -> datetime | None:
        use: LastUse | None = self.context["last_use"]
        return use.at if use else None

    @computed(KeySerializer.field("last_used_from"))
    def last_used_from(self, _report: UsageReport) -> str | None:
        use: LastUse | None = self.context["last_use"]
        return use.address if use else None


class KeyCallsSerializer(ResponseSerializer):
    """The calls with one key."""

    id = Id("The key's id.", prefix="key", source="pk")
    count = StrictInteger("Calls.", example=12, source="calls")


class UsageSerializer(KeyUsageSerializer):
    """The calls of an organization in a span of time.

    Context: ``api_keys``, those of the report, and ``last_use``.
    """

    @computed(ListOf(Nested(KeyCallsSerializer), "Calls by key, the most first."))
    def keys(self, report: UsageReport) -> list[KeyCalls]:
        return [each for each in report.keys if each.pk in self.context["api_keys"]]

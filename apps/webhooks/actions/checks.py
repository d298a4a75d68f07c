"""Validate the fields of endpoints, and check the limits on endpoints and test sends."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.base.actor import Actor
from apps.base.crypto.secrets import MASK_DOTS
from apps.base.errors import Conflict, Invalid, RateLimited
from apps.base.identifiers import uuid_at
from apps.base.outbound import HeaderRefused, UrlRefused, check_header, check_url
from apps.base.text.validation import check_plain_text
from apps.orgs.lookups import platform_pk
from apps.orgs.models import Organization
from apps.webhooks.engine.test_inbox import is_inbox
from apps.webhooks.models import UNFINISHED_DELIVERIES, Delivery, Endpoint, EndpointStatus, Event, ReplayJob
from apps.webhooks.types.catalogue import ALL_EVENTS
from apps.webhooks.types.scopes import require_scopes, types_hidden_from

MAX_HEADERS = 20
TESTS_PER_MINUTE = 5
MINUTE = timedelta(minutes=1)
ENTER_HEADERS_AGAIN = gettext_lazy(
    "The URL leads to another server, which does not get the stored header values. Enter each value again, or remove "
    "the headers."
)


def checked_url(url: str) -> str:
    """Return the normalized URL, or raise Invalid on ``url`` with the reason."""
    try:
        checked = check_url(url).url
    except UrlRefused as error:
        raise Invalid.field("url", error.message) from None
    check_plain_text("url", checked)
    return checked


def checked_new_url(endpoint: Endpoint, url: str) -> str:
    """Return the normalized new URL of an endpoint; raise Invalid on ``url``, always for the test inbox."""
    if is_inbox(endpoint.url):
        raise Invalid.field("url", _("The test inbox has no address of its own. Add an endpoint for your server."))
    return checked_url(url)


def is_other_server(old: str, new: str) -> bool:
    """Return whether two normalized URLs differ in scheme, host or port."""
    return _server(old) != _server(new)


def _server(url: str) -> tuple[str, str]:
    """Return scheme and host with port of a URL that ``check_url`` normalized."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def check_url_change(actor: Actor, endpoint: Endpoint, patterns: Iterable[str]) -> None:
    """Raise Forbidden unless the actor can read all event types that a new URL would receive, including queued ones."""
    require_scopes(actor, [*patterns, *endpoint.event_types])
    hidden = types_hidden_from(actor, "event_type")
    if hidden is None:
        return
    for job in ReplayJob.objects.unfinished().filter(endpoint=endpoint):
        require_scopes(actor, job.event_types or [ALL_EVENTS])
    waiting = Delivery.objects.filter(hidden, endpoint=endpoint, test=False, status__in=UNFINISHED_DELIVERIES)
    require_scopes(actor, waiting.values_list("event_type", flat=True)[:1])


def checked_description(description: str) -> str:
    """Return the description without surrounding whitespace, or raise Invalid."""
    check_plain_text("description", description.strip())
    return description.strip()


def checked_headers(
    headers: Mapping[str, str], stored: Mapping[str, str], *, is_other_server: bool = False
) -> dict[str, str]:
    """Return the headers to store, or raise Invalid on ``headers``; a value of ``••••`` keeps the stored one.

    Stored values must not be sent to another server, so with ``is_other_server`` each value has to be entered again.
    """
    if len(headers) > MAX_HEADERS:
        raise Invalid.field("headers", _("At most %(most)s headers.") % {"most": MAX_HEADERS})
    if len({name.lower() for name in headers}) < len(headers):
        raise Invalid.field("headers", _("A header is named twice."))
    if is_other_server and MASK_DOTS in headers.values():
        raise Invalid.field("headers", ENTER_HEADERS_AGAIN)
    merged = {name: stored[name] if value == MASK_DOTS and name in stored else value for name, value in headers.items()}
    for name, value in merged.items():
        try:
            check_header(name, value)
        except HeaderRefused as error:
            raise Invalid.field("headers", f"{name}: {error.message}") from None
        check_plain_text("headers", name)
    return merged


def checked_limit(name: str, value: int | None, maximum: int) -> int | None:
    """Return the value, or raise Invalid on the field unless it is None or from 1 to ``maximum``."""
    if value is not None and not 1 <= value <= maximum:
        raise Invalid.field(name, _("Enter a whole number from 1 to %(most)s.") % {"most": maximum})
    return value


def check_receives_events(organization_id: uuid.UUID) -> None:
    """Raise Conflict for the platform organization, as no events are published for it."""
    if organization_id == platform_pk():
        raise Conflict(_("The platform organization gets no events. Make the endpoint in a customer's organization."))


def check_enabled(endpoint: Endpoint) -> None:
    """Raise Conflict unless the endpoint is enabled and not deleted."""
    if endpoint.deleted_at is not None or endpoint.status != EndpointStatus.ENABLED:
        raise Conflict(_("The endpoint is not enabled: enable it first."))


def check_endpoint_limit(organization_id: uuid.UUID) -> None:
    """Raise Conflict ``endpoint_limit_reached`` when the organization has reached its limit.

    The limit is the organization's ``endpoint_limit``, or WEBHOOK_ENDPOINTS if that is None. The organization's row is
    locked until the transaction ends, so that two concurrent creations cannot exceed the limit.
    """
    rows = Organization.objects.select_for_update(no_key=True)
    limit = rows.values_list("endpoint_limit", flat=True).get(pk=organization_id)
    if limit is None:
        limit = settings.WEBHOOK_ENDPOINTS or None
    used = Endpoint.objects.existing().filter(organization_id=organization_id)
    if limit is not None and used.count() >= limit:
        message = _("The limit of %(limit)s endpoints is reached. Delete one, or ask the operator for more.")
        raise Conflict(message % {"limit": limit}, "endpoint_limit_reached")


def check_test_rate(organization_id: uuid.UUID) -> None:
    """Raise RateLimited when the organization has sent TESTS_PER_MINUTE tests within the last minute."""
    since = timezone.now() - MINUTE
    tests = Event.objects.filter(organization_id=organization_id, test=True, created_at__gt=since)
    # Keys are ordered by time, so this condition lets the index bound the search.
    recent = tests.filter(pk__gte=uuid_at(since - MINUTE)).order_by("-created_at")
    times = list(recent.values_list("created_at", flat=True)[:TESTS_PER_MINUTE])
    if len(times) >= TESTS_PER_MINUTE:
        wait = int((times[-1] - since).total_seconds()) + 1
        raise RateLimited(_("Five test sends a minute. Try again in %(seconds)s s.") % {"seconds": wait}, wait)

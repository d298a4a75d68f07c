"""What new values of endpoints and test sends are checked against."""

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
from apps.base.outbound import AddressRefused, HeaderRefused, check_header, check_url
from apps.base.text.rules import check_text
from apps.orgs.lookups import platform_pk
from apps.orgs.models import Organization
from apps.webhooks.engine.test_inbox import is_inbox
from apps.webhooks.models import Delivery, DeliveryStatus, Endpoint, Event, ReplayJob
from apps.webhooks.types.catalogue import EVERYTHING
from apps.webhooks.types.subjects import require_scopes, types_hidden_from

MAX_HEADERS = 20
TESTS_PER_MINUTE = 5
MINUTE = timedelta(minutes=1)
UNFINISHED = (DeliveryStatus.PENDING, DeliveryStatus.SENDING, DeliveryStatus.HELD)
ENTER_AGAIN = gettext_lazy(
    "The URL leads to another server, which does not get the stored header values. Enter each value again, or remove "
    "the headers."
)


def checked_url(url: str) -> str:
    """Return the URL as it is requested, or raise Invalid on ``url`` with the reason."""
    try:
        checked = check_url(url).url
    except AddressRefused as refused:
        raise Invalid.field("url", refused.message) from None
    check_text("url", checked)
    return checked


def checked_new_url(endpoint: Endpoint, url: str) -> str:
    """Return a new URL for an endpoint; the test inbox has none of its own."""
    if is_inbox(endpoint.url):
        raise Invalid.field("url", _("The test inbox has no address of its own. Add an endpoint for your server."))
    return checked_url(url)


def is_other_server(old: str, new: str) -> bool:
    """Tell whether a checked URL leads to another server than before: another scheme, host or port."""
    return _server(old) != _server(new)


def _server(url: str) -> tuple[str, str]:
    """Return scheme, host and port of a stored URL, which ``check_url`` wrote in its one form."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc


def check_url_change(actor: Actor, endpoint: Endpoint, patterns: Iterable[str]) -> None:
    """Raise Forbidden unless the actor may read all that a new URL of the endpoint gets, what waits for it included."""
    require_scopes(actor, [*patterns, *endpoint.event_types])
    hidden = types_hidden_from(actor, "event_type")
    if hidden is None:
        return
    for job in ReplayJob.objects.unfinished().filter(endpoint=endpoint):
        require_scopes(actor, job.event_types or [EVERYTHING])
    waiting = Delivery.objects.filter(hidden, endpoint=endpoint, test=False, status__in=UNFINISHED)
    require_scopes(actor, waiting.values_list("event_type", flat=True)[:1])


def checked_description(description: str) -> str:
    """Return the description without surrounding space, or raise Invalid."""
    check_text("description", description.strip())
    return description.strip()


def checked_headers(
    headers: Mapping[str, str], stored: Mapping[str, str], *, is_other_server: bool = False
) -> dict[str, str]:
    """Return the headers to keep, or raise Invalid on ``headers``; ``••••`` stands for the stored value.

    A stored value was meant for its server: no other one gets it, so there it must be sent again.
    """
    if len(headers) > MAX_HEADERS:
        raise Invalid.field("headers", _("At most %(most)s headers.") % {"most": MAX_HEADERS})
    if len({name.lower() for name in headers}) < len(headers):
        raise Invalid.field("headers", _("A header is named twice."))
    if is_other_server and MASK_DOTS in headers.values():
        raise Invalid.field("headers", ENTER_AGAIN)
    kept = {name: stored[name] if value == MASK_DOTS and name in stored else value for name, value in headers.items()}
    for name, value in kept.items():
        try:
            check_header(name, value)
        except HeaderRefused as refused:
            raise Invalid.field("headers", f"{name}: {refused.message}") from None
        check_text("headers", name)
    return kept


def checked_limit(name: str, value: int | None, most: int) -> int | None:
    """Return the value, or raise Invalid on the field where it is outside 1 to ``most``."""
    if value is not None and not 1 <= value <= most:
        raise Invalid.field(name, _("Enter a whole number from 1 to %(most)s.") % {"most": most})
    return value


def check_receives_events(organization_id: uuid.UUID) -> None:
    """Raise Conflict for the vendor's own organization: no event is published for it."""
    if organization_id == platform_pk():
        raise Conflict(_("The platform organization gets no events. Make the endpoint in a customer's organization."))


def check_endpoint_limit(organization_id: uuid.UUID) -> None:
    """Raise Conflict ``endpoint_limit_reached`` where the organization has as many as it may have.

    Its own limit counts, or WEBHOOK_ENDPOINTS where it has none.
    It counts under the lock of the organization's row, so that two creations at once cannot both take the last place.
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
    """Raise RateLimited after five test sends of the organization within a minute."""
    since = timezone.now() - MINUTE
    tests = Event.objects.filter(organization_id=organization_id, test=True, created_at__gt=since)
    # By key, which is by time: the index ends the search a moment before the minute.
    recent = tests.filter(pk__gte=uuid_at(since - MINUTE)).order_by("-created_at")
    times = list(recent.values_list("created_at", flat=True)[:TESTS_PER_MINUTE])
    if len(times) >= TESTS_PER_MINUTE:
        wait = int((times[-1] - since).total_seconds()) + 1
        raise RateLimited(_("Five test sends a minute. Try again in %(seconds)s s.") % {"seconds": wait}, wait)

"""The filter form of the audit page. Days are whole days in the reader's time zone."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from apps.audit.timeline.filters import read_filters
from apps.audit.timeline.sources import Filters
from apps.base.errors import Invalid
from apps.base.timestamps import parse_day

FIELDS = ("actor", "category", "action", "target", "key", "since", "until", "request_id")


def filled_fields(query: Mapping[str, str]) -> dict[str, str]:
    """Return the non-empty fields, stripped of white space."""
    texts = {name: query.get(name, "").strip() for name in FIELDS}
    return {name: text for name, text in texts.items() if text}


def page_filters(texts: Mapping[str, str]) -> Filters:
    """Return the page's filters, as in the API except that times are days. Raises Invalid."""
    since, until = _start_of("since", texts), _start_of("until", texts, days_later=1)
    return read_filters(texts, since, until)


def invalid_fields(texts: Mapping[str, str]) -> list[str]:
    """Return the names of the invalid fields, each checked separately."""
    found = []
    for name, text in texts.items():
        try:
            page_filters({name: text})
        except Invalid:
            found.append(name)
    return found


def _start_of(name: str, texts: Mapping[str, str], days_later: int = 0) -> datetime | None:
    if name not in texts:
        return None
    day = parse_day(name, texts[name])
    try:
        day += timedelta(days=days_later)
        return timezone.make_aware(datetime(day.year, day.month, day.day)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid.field(name, f"{name} is out of range.") from None

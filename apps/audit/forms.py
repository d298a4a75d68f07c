"""The filter form of the audit page: what a person chose, as filters. Days are whole ones of the reader's zone."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_date

from apps.audit.filters import read_filters
from apps.audit.sources import Filters
from apps.base.errors import Invalid

FIELDS = ("actor", "category", "action", "target", "key", "since", "until", "request_id")


def typed(query: Mapping[str, str]) -> dict[str, str]:
    """This will return the fields that hold something, white space around them left out."""
    texts = {name: query.get(name, "").strip() for name in FIELDS}
    return {name: text for name, text in texts.items() if text}


def page_filters(texts: Mapping[str, str]) -> Filters:
    """This will return the filters of the page, or raise Invalid. They mean what they mean in the API, days apart."""
    since, until = _start_of("since", texts), _start_of("until", texts, days_later=1)
    return read_filters(texts, since, until)


def _start_of(name: str, texts: Mapping[str, str], days_later: int = 0) -> datetime | None:
    if name not in texts:
        return None
    try:
        day: date | None = parse_date(texts[name])
        if day is not None:
            day += timedelta(days=days_later)
            return timezone.make_aware(datetime(day.year, day.month, day.day)).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise Invalid.field(name, f"{name} must be a day such as 2026-11-22.")

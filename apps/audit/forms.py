"""The filter form of the audit page: what a person typed, as filters. Days are whole ones of the reader's zone."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_date

from apps.audit.filters import LONGEST_TEXT, read_filters
from apps.audit.sources import Filters
from apps.base.errors import Invalid

FIELDS = ("category", "actor", "action", "target", "key", "request_id", "since", "until")


def typed(query: Mapping[str, str]) -> dict[str, str]:
    """This will return the fields that hold something, white space around them left out."""
    texts = {name: query.get(name, "").strip() for name in FIELDS}
    return {name: text for name, text in texts.items() if text}


def page_filters(texts: Mapping[str, str]) -> Filters:
    """This will return the filters of the page, or raise Invalid. ``actor`` may be an id or a part of a name."""
    since, until = _start_of("since", texts), _start_of("until", texts, days_later=1)
    filters = read_filters({name: text for name, text in texts.items() if name != "actor"}, since, until)
    who = texts.get("actor", "")
    if len(who) > LONGEST_TEXT or not who.isprintable():
        raise Invalid.field("actor", "actor is not a name or an id.")
    return replace(filters, who=who)


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

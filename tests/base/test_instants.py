"""Times in the reader's language and zone; other values stay unchanged."""

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone, translation

from apps.base.timestamps import format_date_for_reader, readable

pytestmark = pytest.mark.pure


def test_a_time_of_the_api_becomes_words_in_the_readers_zone_and_language():
    assert readable("2026-11-30T16:10:33Z") == "30 Nov 2026, 16:10 UTC"
    with timezone.override(ZoneInfo("Europe/Paris")), translation.override("fr"):
        assert readable("2026-11-30T23:10:33Z") == "1 déc. 2026, 00:10 CET"
        assert readable("2026-11-30") == "30 nov. 2026"


@pytest.mark.parametrize("value", ["", "soon", "2026-11-30T16:10:33+01:00", "12026-11-30", 7, None])
def test_anything_else_stays_as_it_is(value):
    assert readable(value) == value


def test_a_day_has_no_clock():
    assert format_date_for_reader(date(2026, 1, 2), "date") == "2 Jan 2026"

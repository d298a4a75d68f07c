"""The waits between attempts."""

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from apps.webhooks.engine.retry_schedule import MAX_RETRY_AFTER_SECONDS, retry_delay

pytestmark = pytest.mark.pure
PLAN = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)


def test_ten_attempts_take_75_hours_and_35_minutes() -> None:
    assert PLAN == settings.WEBHOOK_RETRY_SCHEDULE
    assert sum(PLAN) == 75 * 3600 + 35 * 60 + 5


@given(st.integers(1, 9))
def test_each_wait_is_within_twenty_per_cent(tries: int) -> None:
    wait = retry_delay(tries, PLAN)
    assert wait is not None and 0.8 * PLAN[tries - 1] <= wait <= 1.2 * PLAN[tries - 1]


def test_the_tenth_attempt_is_the_last() -> None:
    assert retry_delay(10, PLAN) is None
    assert retry_delay(10, PLAN, retry_after=60.0) is None


@given(st.integers(1, 9), st.floats(0, 10**9))
def test_retry_after_lengthens_up_to_a_day_and_never_shortens(tries: int, asked: float) -> None:
    wait = retry_delay(tries, PLAN, asked)
    assert wait is not None and wait >= 0.8 * PLAN[tries - 1]
    assert wait >= min(asked, MAX_RETRY_AFTER_SECONDS)
    assert wait <= max(1.2 * PLAN[tries - 1], min(asked, MAX_RETRY_AFTER_SECONDS))

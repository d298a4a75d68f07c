"""Timestamps in the past, distributed like the activity of users and clients."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db.models import DateTimeField, Model

DAYS = 30
SATURDAY = 5
WEEKEND = 0.25
# Weights of the UTC hours of a day.
BUSINESS = (1, 1, 1, 1, 2, 4, 8, 14, 20, 22, 22, 18, 16, 20, 22, 20, 16, 12, 8, 6, 4, 3, 2, 1)
NIGHTLY = (0, 6, 30, 6) + (0,) * 20
STEADY = (1,) * 24


@contextmanager
def explicit_timestamps(*models: type[Model]) -> Iterator[None]:
    """Disable ``auto_now`` of these models, so that rows are saved with explicit timestamps."""
    fields = [
        field
        for model in models
        for field in model._meta.concrete_fields
        if isinstance(field, DateTimeField) and (field.auto_now or field.auto_now_add)
    ]
    before = [(field, field.auto_now, field.auto_now_add) for field in fields]
    for field in fields:
        field.auto_now = field.auto_now_add = False
    try:
        yield
    finally:
        for field, auto_now, auto_now_add in before:
            field.auto_now, field.auto_now_add = auto_now, auto_now_add


def random_times(
    rng: random.Random,
    now: datetime,
    per_day: float,
    since: datetime,
    until: datetime,
    hourly_weights: tuple[int, ...] = BUSINESS,
) -> list[datetime]:
    """Return random times of the last thirty days between two times, oldest first, weighted by ``hourly_weights``."""
    found: list[datetime] = []
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for back in range(DAYS - 1, -1, -1):
        day = midnight - timedelta(days=back)
        quiet = WEEKEND if hourly_weights is BUSINESS and day.weekday() >= SATURDAY else 1
        count = round(per_day * quiet * rng.uniform(0.75, 1.25))
        hours = rng.choices(range(24), weights=hourly_weights, k=count)
        found += (day + timedelta(hours=hour, seconds=rng.uniform(0, 3600)) for hour in hours)
    return sorted(moment for moment in found if since <= moment <= until)

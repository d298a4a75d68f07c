"""Fixtures of API key tests: a clock, a key that expires in twenty days, and its requests in the past."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import time_machine

from apps.api_keys.models import ApiKey
from apps.audit.calls.store import Call, store
from apps.base.identifiers import new_uuid

NOW = datetime(2026, 11, 22, 12, 30, 15, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def used(key: ApiKey, at: datetime, status: int = 200, count: int = 1, **values: Any) -> None:
    """Store calls as the call log does."""
    call = Call(
        id=new_uuid(),
        at=at,
        organization_id=key.organization_id,
        actor_kind="api_key",
        actor_id=key.public_id,
        actor_label=key.name,
        credential_id=key.pk,
        method="GET",
        route="/v1/users",
        status=status,
        code="",
        duration_ms=1.0,
        address="203.0.113.9",
        user_agent="curl/8",
        request_id="request-1",
        scopes="users:read",
    )
    store([call._replace(id=new_uuid(), **values) for _ in range(count)], {})


@pytest.fixture
def clock() -> Iterator[Any]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def asked(acme: Any, make_key: Any, clock: Any) -> ApiKey:
    clock.move_to(NOW - 20 * DAY)
    key = make_key(acme, "users:read", name="Asked about").row
    clock.move_to(NOW)
    return key

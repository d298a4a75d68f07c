"""A process that dies with a request in hand: the repeat has one effect, whenever the first one died (promise 22)."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.api_keys.models import ApiKey
from apps.credentials.models import IdempotencyRecord
from apps.webhooks.models import Event
from tests.conftest import Api, Key
from tests.engines import DATA
from tests.faults.processes import ROOT, database_url

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

PROGRAM = """
import json, sys, django
django.setup()
from django.test import Client
path, key, body = json.loads(sys.stdin.read())
headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "one"}
Client(headers=headers).post(path, body, content_type="application/json")
"""
REQUESTS = [
    ("/v1/events", {"type": "order.created", "data": DATA}, lambda: Event.objects.filter(type="order.created").count()),
    (
        "/v1/api-keys",
        {"name": "Made", "type": "internal", "scopes": ["users:read"]},
        lambda: ApiKey.objects.filter(name="Made").count(),
    ),
]
EACH = pytest.mark.parametrize(("path", "body", "effects"), REQUESTS, ids=["event", "key"])


def die_at(point: str, path: str, key: Key, body: Any) -> None:
    """Make the call in a process of its own, which is killed at the point."""
    environment = {
        **os.environ, "DATABASE_URL": database_url(), "REDIS_URL": "", "PORTAL_FAULTS": "1", "PORTAL_CRASH_AT": point,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, input=json.dumps([path, key.text, body]),
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr


def repeat(path: str, key: Key, body: Any) -> Any:
    return Api(key).post(path, body, headers={"Idempotency-Key": "one"})


@EACH
def test_after_the_commit_the_repeat_gets_the_answer(admin_key, path, body, effects):
    die_at("after_commit_before_answer", path, admin_key, body)
    assert effects() == 1
    answer = repeat(path, admin_key, body)
    assert (answer.status_code // 100, answer.headers.get("Idempotency-Replayed")) == (2, "true")
    assert "key" not in answer.json()
    assert effects() == 1


@EACH
def test_before_the_commit_only_the_reservation_is_left(admin_key, path, body, effects):
    die_at("after_accept_before_commit", path, admin_key, body)
    assert (effects(), IdempotencyRecord.objects.get().status) == (0, None)
    assert repeat(path, admin_key, body).json()["code"] == "idempotency_in_progress"
    IdempotencyRecord.objects.update(reserved_at=timezone.now() - timedelta(seconds=61))
    answer = repeat(path, admin_key, body)
    assert (answer.status_code // 100, "Idempotency-Replayed" in answer, effects()) == (2, False, 1)

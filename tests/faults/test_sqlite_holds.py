"""One SQLite file, web, two workers and readers at once, and copies of it as a power cut would leave it.

Promises 26 and 27, short forms.
"""

import os
import random
import shutil
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.orgs.models import Organization
from apps.webhooks.models import Delivery, Event
from tests.engines import LOOPBACK, make_endpoint
from tests.faults.processes import Web, wait_until, web, worker
from tests.receivers import Receiver

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

SECONDS, PER_SECOND, READERS, COPIES = 6.0, 50, 4, 3


def read_on(portal: Web, key: str, stop: threading.Event, seen: set[int]) -> None:
    """Look at the lists as a dashboard does."""
    while not stop.wait(0.2):
        seen.add(portal.call("GET", "/v1/deliveries?limit=50", key)[0])


def copy_as_a_power_cut_leaves_it(groups: list[int], source: Path, target: Path) -> None:
    """Copy the files of the database while nobody moves."""
    target.mkdir()
    for group in groups:
        os.killpg(group, signal.SIGSTOP)
    try:
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{source}{suffix}", target / f"copy{suffix}")
    finally:
        for group in groups:
            os.killpg(group, signal.SIGCONT)


def test_web_workers_and_readers_share_one_file(
    acme: Organization, make_key: Callable[..., Any], settings: Any, tmp_path: Path
) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("about SQLite")
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    key = make_key(acme, "events:write", "webhooks:read", type="internal").text
    source = Path(connection.settings_dict["NAME"])
    stop, seen, answers, copies = threading.Event(), set[int](), [], []
    # That every process's log is free of "database is locked" is looked at where they end (processes.py).
    with Receiver() as receiver, web() as portal, worker() as one, worker() as two:
        make_endpoint(acme, receiver.url)
        readers = [threading.Thread(target=read_on, args=(portal, key, stop, seen)) for _ in range(READERS)]
        for reader in readers:
            reader.start()
        copy_at = sorted(random.sample(range(50, int(SECONDS * PER_SECOND) - 50), COPIES))
        started, sent, accepted = time.monotonic(), 0, []
        while time.monotonic() - started < SECONDS:
            time.sleep(max(0.0, started + sent / PER_SECOND - time.monotonic()))
            answers.append(portal.publish(key, f"event-{sent}"))
            accepted.append(f"event-{sent}")
            sent += 1
            if copy_at and sent >= copy_at[0]:
                target = tmp_path / f"copy{copy_at.pop(0)}"
                copy_as_a_power_cut_leaves_it([portal.process.pid, one.pid, two.pid], source, target)
                copies.append((target / "copy", list(accepted)))
        stop.set()
        for reader in readers:
            reader.join()
        wait_until(lambda: not Delivery.objects.exclude(status="succeeded").exists())
        received = {each.headers["webhook-id"] for each in receiver.requests}
    assert {status for status, _seconds in answers} == {202} and seen == {200}
    assert received == {each.public_id for each in Event.objects.filter(type="order.created")}
    assert len(received) == sent
    assert sorted(seconds for _status, seconds in answers)[int(sent * 0.99)] < 1.0
    for copy, before in copies:
        check_copy(copy, before)


def check_copy(copy: Path, accepted: list[str]) -> None:
    """All that had been answered is in the copy, and the copy is sound."""
    with sqlite3.connect(copy) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = {row[0] for row in database.execute("SELECT client_id FROM webhooks_event")}
        missing = database.execute(
            "SELECT count(*) FROM webhooks_event e WHERE client_id IS NOT NULL AND match_count <> "
            "(SELECT count(*) FROM webhooks_delivery d WHERE d.event_id = e.id)"
        ).fetchone()
    assert set(accepted) <= found and missing == (0,)

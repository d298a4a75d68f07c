"""Every answer that a known key got has exactly one row, though web processes are killed under load (promise 23).

And nobody who began a call after the revocation was answered gets a 2xx (promise 18). Short forms; the long one of the
first is benchmarks/call_log_complete.py.
"""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.servers import Load, Portal, RedisServer, portal, redis_server

pytestmark = pytest.mark.faults

KILLS = 4
THREADS = 50


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(params=["strict", "stream"])
def two(request: pytest.FixtureRequest, tmp_path: Path, redis: RedisServer) -> Iterator[Portal]:
    """Two web processes over one database and one Redis."""
    assert redis.command("FLUSHALL") == b"+OK"
    variables = {"REDIS_URL": redis.url, "API_CALL_LOG": request.param, "AUTH_FAILURES_PER_MINUTE": "0"}
    with portal(tmp_path, processes=2, **variables) as server:
        yield server


def rows_by_request(server: Portal, key_id: str) -> Counter[str]:
    """Move what Redis holds, and count the rows of a key by the id of their request."""
    server.manage("worker", "--once")
    with closing(sqlite3.connect(server.folder / "portal.sqlite3", timeout=20)) as database:
        rows = database.execute("SELECT request_id FROM audit_apicall WHERE actor_id = ?", [key_id]).fetchall()
    return Counter(row[0] for row in rows)


def test_every_answer_has_exactly_one_row_though_processes_are_killed(two: Portal):
    key = two.make_key(per_minute=400, per_hour=100_000)
    with Load(two, "/v1/users", key["key"]) as load:
        for number in range(KILLS):
            load.wait_for(40)
            two.kill_and_restart(number % 2)
        load.wait_for(40)
    answered = [answer for answer in load.answers if answer.status]
    rows = rows_by_request(two, key["id"])
    assert len(answered) > 100 and {answer.status for answer in answered} <= {200, 429}
    assert [rows[answer.headers["x-request-id"]] for answer in answered] == [1] * len(answered)
    # A process may die between the row and the answer: such a call has its row, and still only one.
    assert set(rows.values()) == {1} and len(rows) - len(answered) <= KILLS * 6


def test_no_call_of_fifty_threads_that_begins_after_the_revocation_is_let_in(two: Portal):
    admin = two.make_key("admin", type="internal")["key"]
    key = json.loads(two.post("/v1/api-keys", admin, {"name": "x", "type": "internal", "scopes": ["users:read"]}).body)
    with Load(two, "/v1/users", key["key"], threads=THREADS) as load:
        load.wait_for(200)
        assert two.post(f"/v1/api-keys/{key['id']}/revoke", admin, {}).status == 200
        revoked_at = time.monotonic()
        load.wait_for(200)
    before = Counter(answer.status for answer in load.answers if answer.started_at <= revoked_at)
    after = Counter(answer.status for answer in load.answers if answer.started_at > revoked_at)
    assert before[200] > 100
    assert set(after) == {401} and after[401] > 50

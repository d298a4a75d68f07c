"""What must be right before a figure counts: limits exact, revocation seen, rows = answers; and what a call costs."""

import json
import sqlite3
import threading
import time
from collections import Counter
from urllib.parse import unquote, urlsplit

import psycopg
import redis

from benchmarks.processes import Failed, Server, get
from benchmarks.stage import Stage, Variant

LIMIT = 100
PARALLEL = 200
REPEATS = 50
DRAIN_SECONDS = 30.0
CALL_TABLE = "SELECT count(*) FROM audit_apicall WHERE actor_id = "


def check(condition: bool, what: str) -> None:
    """Raise where the condition does not hold."""
    if not condition:
        raise Failed(f"a gate failed: {what}")


def run_query(stage: Stage, statement: str, parameter: str = "") -> int:
    """Return the one figure of a query on the portal's database."""
    url = stage.url("portal")
    values = [parameter] if parameter else []
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20) as database:
            return database.execute(statement.replace("%s", "?"), values).fetchone()[0]
    parts = urlsplit(url)
    address = parts._replace(query="").geturl()
    with psycopg.connect(address, options=unquote(parts.query.partition("options=")[2])) as database:
        return database.execute(statement, values).fetchone()[0]


def rows_of(stage: Stage, key_id: str) -> int:
    """Return how many calls of a key are in the log."""
    return run_query(stage, CALL_TABLE + "%s", key_id)


def check_rows(stage: Stage, key_id: str, answered: int, what: str) -> None:
    """Wait until every answered call has its row (a stream is drained after the answer), or raise."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while (found := rows_of(stage, key_id)) < answered and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(0.2)
    found = rows_of(stage, key_id)
    check(found == answered, f"{what}: {answered} answers, {found} rows")


def at_once(server: Server, key: str, calls: int) -> Counter[int]:
    """Make so many calls at the same moment."""
    barrier, statuses = threading.Barrier(calls), Counter()

    def call() -> None:
        barrier.wait(30)
        statuses[get(server.port, "/v1/users", {"X-API-Key": key}).status] += 1

    threads = [threading.Thread(target=call) for _ in range(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return statuses


def check_variant(stage: Stage, variant: Variant) -> None:
    """Try the promises on one of the portal's ways; without Redis a limit holds per process."""
    key = stage.make_key(per_minute=LIMIT)
    statuses = at_once(variant.server, key["key"], PARALLEL)
    if variant.name != "alone" or stage.workers == 1:
        check(
            statuses == {200: LIMIT, 429: PARALLEL - LIMIT}, f"{variant.name}: {PARALLEL} at limit {LIMIT}: {statuses}"
        )
    check(sum(statuses.values()) == PARALLEL and 0 not in statuses, f"{variant.name}: not all answered: {statuses}")
    check_rows(stage, key["id"], PARALLEL, variant.name)
    _check_revocation(stage, variant)


def _check_revocation(stage: Stage, variant: Variant) -> None:
    key, admin = stage.make_key(), stage.make_key("admin")
    port = variant.server.port
    statuses = {get(port, "/v1/users", {"X-API-Key": key["key"]}).status for _ in range(40)}
    check(statuses == {200}, f"{variant.name}: a good key got {statuses}")
    headers = {"X-API-Key": admin["key"], "Content-Type": "application/json"}
    ended = get(port, f"/v1/api-keys/{key['id']}/revoke", headers, "POST", json.dumps({}).encode())
    check(ended.status == 200, f"{variant.name}: revoke answered {ended.status}")
    statuses = {get(port, "/v1/users", {"X-API-Key": key["key"]}).status for _ in range(40)}
    check(statuses == {401}, f"{variant.name}: after the revocation {statuses}")


def count_costs(stage: Stage, variant: Variant) -> dict[str, float]:
    """Return SQL statements and Redis round trips of one warm call, one caller at a time.

    Statements are counted on SQLite only (by SQLite itself, on every thread), round trips by what Redis reads; the
    worker that drains the stream reads too, about twice a second.
    """
    server = stage.scene.serve(
        f"counted-{variant.name}", "benchmarks.portal.counted:application", stage.environment(variant.name), 1, 1
    )
    for _ in range(5):
        get(server.port, "/v1/trivial", variant.headers)
    own = -(_reads(stage) - _reads(stage))  # what asking costs by itself
    before_reads, before = _reads(stage), get(server.port, "/v1/trivial", variant.headers)
    for _ in range(REPEATS):
        after = get(server.port, "/v1/trivial", variant.headers)
    after_reads = _reads(stage) - own
    server.child.stop()
    statements = int(after.headers["x-statements"]) - int(before.headers["x-statements"])
    costs = {} if stage.database else {"sql": statements / REPEATS}
    if variant.name != "alone":
        costs["redis"] = (after_reads - before_reads) / (REPEATS + 1)
    return costs


def _reads(stage: Stage) -> int:
    if not stage.redis_url:
        return 0
    client = redis.Redis.from_url(stage.redis_url)
    try:
        return client.info("stats")["total_reads_processed"]
    finally:
        client.close()

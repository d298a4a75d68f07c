"""Check limits, revocation and the log of the portal, and count the queries of a request."""

import json
import sqlite3
import threading
import time
from collections import Counter
from urllib.parse import unquote, urlsplit

import psycopg
import redis

from benchmarks.api_call_setup import ApiCallSetup, Variant
from benchmarks.processes import BenchmarkFailed, Server, get

LIMIT = 100
PARALLEL = 200
REPEATS = 50
MAX_WAIT_SECONDS = 30.0
CALL_TABLE = "SELECT count(*) FROM audit_apicall WHERE actor_id = "


def check(condition: bool, what: str) -> None:
    """Raise BenchmarkFailed unless the condition holds."""
    if not condition:
        raise BenchmarkFailed(f"a check failed: {what}")


def run_query(setup: ApiCallSetup, statement: str, parameter: str = "") -> int:
    """Return the single number of a query on the portal's database."""
    url = setup.url("portal")
    values = [parameter] if parameter else []
    if url.startswith("sqlite"):
        with sqlite3.connect(url.removeprefix("sqlite:///"), timeout=20) as database:
            return database.execute(statement.replace("%s", "?"), values).fetchone()[0]
    parts = urlsplit(url)
    address = parts._replace(query="").geturl()
    with psycopg.connect(address, options=unquote(parts.query.partition("options=")[2])) as database:
        return database.execute(statement, values).fetchone()[0]


def rows_of(setup: ApiCallSetup, key_id: str) -> int:
    """Return the number of requests of a key in the log."""
    return run_query(setup, CALL_TABLE + "%s", key_id)


def check_rows(setup: ApiCallSetup, key_id: str, answered: int, what: str) -> None:
    """Wait until each answered request has its row, as a worker moves the stream to the database later, or raise."""
    deadline = time.monotonic() + MAX_WAIT_SECONDS
    while (found := rows_of(setup, key_id)) < answered and time.monotonic() < deadline:
        time.sleep(0.2)
    time.sleep(0.2)
    found = rows_of(setup, key_id)
    check(found == answered, f"{what}: {answered} answers, {found} rows")


def call_concurrently(server: Server, key: str, calls: int) -> Counter[int]:
    """Send this number of requests at the same time and return the number of responses by status."""
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


def check_variant(setup: ApiCallSetup, variant: Variant) -> None:
    """Check limits, log and revocation of one configuration; without Redis a limit holds per process."""
    key = setup.make_key(per_minute=LIMIT)
    statuses = call_concurrently(variant.server, key["key"], PARALLEL)
    if variant.name != "alone" or setup.workers == 1:
        check(
            statuses == {200: LIMIT, 429: PARALLEL - LIMIT}, f"{variant.name}: {PARALLEL} at limit {LIMIT}: {statuses}"
        )
    check(sum(statuses.values()) == PARALLEL and 0 not in statuses, f"{variant.name}: not all answered: {statuses}")
    check_rows(setup, key["id"], PARALLEL, variant.name)
    _check_revocation(setup, variant)


def _check_revocation(setup: ApiCallSetup, variant: Variant) -> None:
    key, admin = setup.make_key(), setup.make_key("admin")
    port = variant.server.port
    statuses = {get(port, "/v1/users", {"X-API-Key": key["key"]}).status for _ in range(40)}
    check(statuses == {200}, f"{variant.name}: a good key got {statuses}")
    headers = {"X-API-Key": admin["key"], "Content-Type": "application/json"}
    ended = get(port, f"/v1/api-keys/{key['id']}/revoke", headers, "POST", json.dumps({}).encode())
    check(ended.status == 200, f"{variant.name}: revoke answered {ended.status}")
    statuses = {get(port, "/v1/users", {"X-API-Key": key["key"]}).status for _ in range(40)}
    check(statuses == {401}, f"{variant.name}: after the revocation {statuses}")


def count_costs(setup: ApiCallSetup, variant: Variant) -> dict[str, float]:
    """Return the numbers of SQL statements and Redis round trips of one request after a warm-up.

    Statements are counted on SQLite only, by SQLite itself in all threads. Round trips are the reads that Redis
    reports, which include about two a second by the worker that reads the stream.
    """
    server = setup.group.serve(
        f"counted-{variant.name}", "benchmarks.portal.counted:application", setup.environment(variant.name), 1, 1
    )
    for _ in range(5):
        get(server.port, "/v1/trivial", variant.headers)
    query_cost = -(_reads(setup) - _reads(setup))  # the reads that this query itself causes
    before_reads, before = _reads(setup), get(server.port, "/v1/trivial", variant.headers)
    for _ in range(REPEATS):
        after = get(server.port, "/v1/trivial", variant.headers)
    after_reads = _reads(setup) - query_cost
    server.child.stop()
    statements = int(after.headers["x-statements"]) - int(before.headers["x-statements"])
    costs = {} if setup.database else {"sql": statements / REPEATS}
    if variant.name != "alone":
        costs["redis"] = (after_reads - before_reads) / (REPEATS + 1)
    return costs


def _reads(setup: ApiCallSetup) -> int:
    if not setup.redis_url:
        return 0
    client = redis.Redis.from_url(setup.redis_url)
    try:
        return client.info("stats")["total_reads_processed"]
    finally:
        client.close()

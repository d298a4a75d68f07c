"""Check that no event is lost while processes are killed or frozen and servers restart: the long form of the tests.

    .venv/bin/python benchmarks/losses.py kill|points|redis|frozen|restart|busy|claims
        [--database URL] [--seconds N] [--runs N] [--at POINT,…] [--json]

kill: 50 events a second over HTTP and two workers, one of which is killed every 3 s. redis: the same load with FLUSHALL
every 5 s and Redis stopped for a minute. points: a process is killed at each of the 8 crash points, 50 times each.
frozen: a worker is stopped, then killed, 50 times. restart: a temporary PostgreSQL is restarted 10 times in 5 minutes.
busy: a SQLite file with a web process, two workers and 20 readers, 10 minutes. claims: 16 threads claim 20,000 due
deliveries. Each part prints its counts, or the bound that was exceeded.

--database: a PostgreSQL scratch database, in which a schema is created and dropped; the default is SQLite.
"""

import argparse
import json
import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.clusters import Cluster, cluster
from benchmarks.deliveries import DeliverySetup, schema, wait_for
from benchmarks.processes import LOOPBACK, BenchmarkFailed, ChildProcess, get, parse_options, process_group
from benchmarks.publishing_client import TYPE, PublishingClient

PER_SECOND, KILL_EVERY_SECONDS, FLUSH_EVERY_SECONDS = 50.0, 3.0, 5.0
RESTARTS, READERS, READ_EVERY_SECONDS, FROZEN_SECONDS = 10, 20, 5.0, 5.0
SECONDS = {"kill": 200.0, "redis": 200.0, "restart": 300.0, "busy": 600.0}
# The maximum number of requests of one worker that are in flight or not recorded yet.
LARGEST_IN_FLIGHT = 640
WORKER_POINTS = ("after_claim", "before_send", "in_flight", "after_response", "before_record", "after_record")
WEB_POINTS = ("after_accept_before_commit", "after_commit_before_answer")
LEASE_SECONDS, SWEEP_SECONDS = 2.0, 5.0
FAULTS = {"PORTAL_FAULTS": "1", "PORTAL_LEASE_MARGIN": "1", "WEBHOOK_TIMEOUT": "1"}
# The number of processes that are killed at the same time, so that a run is shorter.
AT_ONCE = 2


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fault", choices=PARTS)
    parser.add_argument("--database", default="", metavar="URL")
    parser.add_argument("--seconds", type=float, default=0.0)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--rows", type=int, default=20_000, help="of claims: due deliveries")
    parser.add_argument("--at", default="", metavar="POINT,POINT", help="of points: these alone")
    parser.add_argument("--json", action="store_true")
    options = parse_options(parser, seconds=16.0, runs=1, rows=2_000)
    options.seconds = options.seconds or SECONDS.get(options.fault, 0.0)
    return options


def start_worker(setup: DeliverySetup, broker: str = "", **variables: str) -> ChildProcess:
    """Start a worker with short leases."""
    environment = {**setup.environment(broker), **FAULTS, **variables}
    return setup.group.start("worker", [sys.executable, "manage.py", "worker"], environment)


def under_load(client: PublishingClient, seconds: float, run_fault: Callable[[threading.Event], int]) -> int:
    """Publish at a steady rate while ``run_fault`` runs, and return its count.

    ``run_fault`` runs on this thread, because processes that it starts are killed when their thread ends.
    """
    over, failed = threading.Event(), []

    def publish() -> None:
        try:
            client.publish_steadily(PER_SECOND, seconds)
        except BenchmarkFailed as failure:
            failed.append(failure)
        finally:
            over.set()

    thread = threading.Thread(target=publish)
    thread.start()
    counted = run_fault(over)
    over.wait()
    thread.join()
    if failed:
        raise failed[0]
    return counted


def kill(setup: DeliverySetup, options: argparse.Namespace) -> dict[str, Any]:
    """Repeatedly kill a random one of two workers."""
    client = PublishingClient(setup)
    workers = [start_worker(setup) for _ in range(2)]

    def run_fault(stop: threading.Event) -> int:
        kills = 0
        while not stop.wait(KILL_EVERY_SECONDS):
            number = random.randrange(2)
            workers[number].stop(hard=True)
            workers[number] = start_worker(setup)
            kills += 1
        return kills

    kills = under_load(client, options.seconds, run_fault)
    return {"kills": kills, **client.check_deliveries(kills * LARGEST_IN_FLIGHT)}


def redis(setup: DeliverySetup, options: argparse.Namespace) -> dict[str, Any]:
    """Repeatedly flush Redis, and stop it for a while."""
    if not setup.redis:
        raise BenchmarkFailed("skipped: redis-server is not installed")
    client = PublishingClient(setup, REDIS_URL=setup.redis, CELERY_BROKER_URL=setup.redis)
    start_worker(setup, setup.redis, REDIS_URL=setup.redis)
    server = next(child for child in setup.group.children if child.log.name == "redis.log")
    port = setup.redis.rsplit(":", 1)[1].split("/")[0]
    command = [
        "redis-server",
        "--port",
        port,
        "--bind",
        LOOPBACK,
        "--save",
        "",
        "--dir",
        str(setup.group.folder),
    ]

    def run_fault(stop: threading.Event) -> int:
        flushes, away = 0, min(60.0, options.seconds / 3)
        while not stop.wait(FLUSH_EVERY_SECONDS):
            setup.flush_redis()
            flushes += 1
            if flushes == 2:
                server.stop(hard=True)
                stop.wait(away)
                setup.group.start("redis-again", command, setup.environment())
        return flushes

    flushes = under_load(client, options.seconds, run_fault)
    if client.refused:
        raise BenchmarkFailed(f"not as guaranteed: answered {dict(client.refused)}")
    return {"flushes": flushes, "refused": 0, "accept_p99_ms": client.p99_ms(), **client.check_deliveries(0)}


def points(setup: DeliverySetup, options: argparse.Namespace) -> dict[str, Any]:
    """Repeatedly kill a process at each crash point, and let others finish its work."""
    client = PublishingClient(setup)
    connection = client.connect(client.web)
    chosen = options.at.split(",") if options.at else [*WORKER_POINTS, *WEB_POINTS]
    at_workers = [point for point in chosen if point in WORKER_POINTS]
    for point in at_workers:
        for run in range(0, options.runs, AT_ONCE):
            dying = [start_worker(setup, PORTAL_CRASH_AT=point) for _ in range(min(AT_ONCE, options.runs - run))]
            number = 0
            while any(each.process.poll() is None for each in dying):
                client.publish_until_accepted(f"{point}-{run}-{number}", connection)
                number += 1
                time.sleep(0.1)
    for point in (point for point in chosen if point in WEB_POINTS):
        crash_while_accepting(client, point, options.runs)
    start_worker(setup)
    runs = options.runs * len(chosen)
    return {"runs": runs, **client.check_deliveries(options.runs * len(at_workers) * LARGEST_IN_FLIGHT)}


def crash_while_accepting(client: PublishingClient, point: str, runs: int) -> None:
    """Kill web processes while they accept an event; then publish the event again through another one."""
    connection = client.connect(client.web)
    for run in range(runs):
        dying = client.serve({**client.setup.environment(), **FAULTS, "PORTAL_CRASH_AT": point})
        if client.publish(f"{point}-{run}", client.connect(dying)):
            raise BenchmarkFailed(f"no process was killed at {point}")
        client.publish_until_accepted(f"{point}-{run}", connection)
        dying.child.stop(hard=True)


def frozen(setup: DeliverySetup, options: argparse.Namespace) -> dict[str, Any]:
    """Repeatedly freeze a worker, publish events, and kill it."""
    client, worker, slowest = PublishingClient(setup), start_worker(setup, setup.redis), 0.0
    connection = client.connect(client.web)
    for run in range(options.runs):
        for number in range(10):
            client.publish_until_accepted(f"{run}-before-{number}", connection)
        with lock_sqlite_writers(setup):
            worker.freeze()
        for number in range(10):
            client.publish_until_accepted(f"{run}-after-{number}", connection)
        time.sleep(FROZEN_SECONDS)
        worker.stop(hard=True)
        worker = start_worker(setup, setup.redis)
        started = time.monotonic()
        wait_for(lambda: set(client.accepted.values()) <= setup.received_ids(), f"run {run}: not all arrived", 60)
        slowest = max(slowest, time.monotonic() - started)
    if slowest > LEASE_SECONDS + SWEEP_SECONDS + 5:
        raise BenchmarkFailed(f"not as guaranteed: the slowest took {slowest:.1f} s after the kill")
    return {
        "runs": options.runs,
        "slowest_s": round(slowest, 1),
        **client.check_deliveries(options.runs * LARGEST_IN_FLIGHT),
    }


@contextmanager
def lock_sqlite_writers(setup: DeliverySetup):
    """Lock SQLite for writing, because a worker that is frozen during a write would block all other writers."""
    if setup.database:
        yield
        return
    with sqlite3.connect(setup.group.folder / "portal.sqlite3", timeout=20, isolation_level=None) as file:
        file.execute("BEGIN IMMEDIATE")
        yield
        file.execute("ROLLBACK")


def restart(setup: DeliverySetup, options: argparse.Namespace, server: Cluster) -> dict[str, Any]:
    """Repeatedly restart PostgreSQL without a clean shutdown."""
    client = PublishingClient(setup)
    workers = [start_worker(setup) for _ in range(2)]

    def run_fault(stop: threading.Event) -> int:
        restarts = 0
        while not stop.wait(options.seconds / RESTARTS * 0.9) and restarts < RESTARTS:
            server.control("restart", "immediate")
            restarts += 1
        return restarts

    restarts = under_load(client, options.seconds, run_fault)
    if any(each.process.poll() is not None for each in workers):
        raise BenchmarkFailed("not as guaranteed: a worker ended")
    asked_again = sum(client.refused.values())
    return {"restarts": restarts, "asked_again": asked_again, **client.check_deliveries(restarts * LARGEST_IN_FLIGHT)}


def busy(setup: DeliverySetup, options: argparse.Namespace) -> dict[str, Any]:
    """Request pages while events are accepted and delivered."""
    client = PublishingClient(setup)
    for _number in range(2):
        start_worker(setup)
    signed_in = setup.step("sign_in", people=READERS)
    pages = ["", "webhooks/", "events/", f"webhooks/{signed_in['endpoint']}/"]
    statuses: list[int] = []

    def read(cookie: str, stop: threading.Event) -> None:
        stop.wait(random.uniform(0, READ_EVERY_SECONDS))
        while not stop.wait(READ_EVERY_SECONDS):
            path = f"/o/bench0/settings/integration/{random.choice(pages)}"
            answer = get(client.web.port, path, {"Cookie": cookie, "Accept": "text/html"})
            statuses.append(answer.status)

    def run_fault(stop: threading.Event) -> int:
        readers = [threading.Thread(target=read, args=(cookie, stop)) for cookie in signed_in["cookies"]]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        return len(statuses)

    page_count = under_load(client, options.seconds, run_fault)
    locked = sum(child.log.read_text(errors="replace").count("database is locked") for child in setup.group.children)
    if locked or client.refused or set(statuses) != {200}:
        raise BenchmarkFailed(
            f"not as guaranteed: locked {locked}, refused {dict(client.refused)}, pages {set(statuses)}"
        )
    return {"pages": page_count, "locked": locked, "accept_p99_ms": client.p99_ms(), **client.check_deliveries(0)}


def claims(setup: DeliverySetup, options: argparse.Namespace) -> dict[str, Any]:
    """Claim all due deliveries in 16 concurrent threads."""
    setup.step("backlog", events=options.rows, event_type=TYPE)
    found = setup.step("claim_all", threads=16)
    if found["claimed"] != options.rows or found["distinct"] != options.rows:
        raise BenchmarkFailed(f"not as guaranteed: {found}")
    return found


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    each.__name__: each for each in (kill, points, redis, frozen, restart, busy, claims)
}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Start the servers and run one part."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        more = []
        if options.fault == "restart":
            more = [stack.enter_context(cluster())]
            options.database = more[0].url
        stack.enter_context(schema(options.database))
        setup = DeliverySetup(stack.enter_context(process_group(Path(folder))), options.database)
        # A process that is killed or frozen should have requests in flight.
        name = "late" if options.fault in ("points", "frozen") else "ok"
        paths = [[f"/{name}{number}", TYPE] for number in range(20 if options.fault == "claims" else 1)]
        setup.step("endpoints", organizations=len(paths), paths=paths, url=f"http://{LOOPBACK}:{setup.port}")
        return PARTS[options.fault](setup, options, *more)


def main() -> None:
    """Run one part and print its result."""
    options = arguments()
    started = time.monotonic()
    found = {**run(options), "took_s": round(time.monotonic() - started)}
    print(json.dumps(found) if options.json else "  ".join(f"{name} {value}" for name, value in found.items()))


if __name__ == "__main__":
    try:
        main()
    except BenchmarkFailed as failure:
        sys.exit(str(failure))

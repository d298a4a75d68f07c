"""The long forms of the promises that nothing is lost: real processes, real kill -9, and a ledger on both sides.

    .venv/bin/python benchmarks/losses.py kill|points|redis|frozen|restart|busy|claims
        [--database URL] [--seconds N] [--runs N] [--at POINT,…] [--json]

kill: 50 events a second over HTTP, two workers, a random one killed every 3 s, 10 minutes. redis: the same load with
FLUSHALL every 5 s and Redis stopped for a minute. points: a process dies at each of the 8 named points, 50 times each.
frozen: a worker is stopped, then killed, 50 times. restart: a PostgreSQL of its own is restarted without a warning, 10
times in 5 minutes. busy: one file of SQLite, a web process, two workers and 20 readers, 10 minutes. claims: 20,000 due
rows and 16 claimers at once. Each prints what it counted, or says which bound is broken.

--database: a PostgreSQL scratch database, in which a schema is made and dropped; else SQLite.
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
from benchmarks.deliveries import Stage, schema, wait_for
from benchmarks.ledger import TYPE, Ledger
from benchmarks.processes import HOST, Child, Failed, get, parse_options, scene

PER_SECOND, KILL_EVERY_SECONDS, FLUSH_EVERY_SECONDS = 50.0, 3.0, 5.0
RESTARTS, READERS, READ_EVERY_SECONDS, FROZEN_SECONDS = 10, 20, 5.0, 5.0
SECONDS = {"kill": 200.0, "redis": 200.0, "restart": 300.0, "busy": 600.0}
# At most this many requests of one worker are under way or not recorded yet.
LARGEST_IN_FLIGHT = 640
WORKER_POINTS = ("after_claim", "before_send", "in_flight", "after_response", "before_record", "after_record")
WEB_POINTS = ("after_accept_before_commit", "after_commit_before_answer")
LEASE_SECONDS, SWEEP_SECONDS = 2.0, 5.0
FAULTS = {"PORTAL_FAULTS": "1", "PORTAL_LEASE_MARGIN": "1", "WEBHOOK_TIMEOUT": "1"}
# Started side by side to die, so that a run is over sooner.
AT_ONCE = 2


def arguments() -> argparse.Namespace:
    """Read the command line."""
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


def start_worker(stage: Stage, broker: str = "", **variables: str) -> Child:
    """Start one worker with short leases."""
    environment = {**stage.environment(broker), **FAULTS, **variables}
    return stage.scene.start("worker", [sys.executable, "manage.py", "worker"], environment)


def under_load(ledger: Ledger, seconds: float, disturb: Callable[[threading.Event], int]) -> int:
    """Publish at a steady pace while ``disturb`` does its work, and return what that counted.

    ``disturb`` runs on this thread: what it starts would end with another one.
    """
    over, failed = threading.Event(), []

    def publish() -> None:
        try:
            ledger.steady(PER_SECOND, seconds)
        except Failed as failure:
            failed.append(failure)
        finally:
            over.set()

    thread = threading.Thread(target=publish)
    thread.start()
    counted = disturb(over)
    over.wait()
    thread.join()
    if failed:
        raise failed[0]
    return counted


def kill(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Kill a random one of two workers again and again."""
    ledger = Ledger(stage)
    workers = [start_worker(stage) for _ in range(2)]

    def disturb(stop: threading.Event) -> int:
        kills = 0
        while not stop.wait(KILL_EVERY_SECONDS):
            number = random.randrange(2)
            workers[number].stop(hard=True)
            workers[number] = start_worker(stage)
            kills += 1
        return kills

    kills = under_load(ledger, options.seconds, disturb)
    return {"kills": kills, **ledger.balance(kills * LARGEST_IN_FLIGHT)}


def redis(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Flush Redis again and again and stop it for a while."""
    if not stage.redis:
        raise Failed("skipped: redis-server is not installed")
    ledger = Ledger(stage, REDIS_URL=stage.redis, CELERY_BROKER_URL=stage.redis)
    start_worker(stage, stage.redis, REDIS_URL=stage.redis)
    server = next(child for child in stage.scene.children if child.log.name == "redis.log")
    port = stage.redis.rsplit(":", 1)[1].split("/")[0]
    words = ["redis-server", "--port", port, "--bind", HOST, "--save", "", "--dir", str(stage.scene.folder)]

    def disturb(stop: threading.Event) -> int:
        flushes, away = 0, min(60.0, options.seconds / 3)
        while not stop.wait(FLUSH_EVERY_SECONDS):
            stage.flush_redis()
            flushes += 1
            if flushes == 2:
                server.stop(hard=True)
                stop.wait(away)
                stage.scene.start("redis-again", words, stage.environment())
        return flushes

    flushes = under_load(ledger, options.seconds, disturb)
    if ledger.refused:
        raise Failed(f"a promise is broken: answered {dict(ledger.refused)}")
    return {"flushes": flushes, "refused": 0, "accept_p99_ms": ledger.p99_ms(), **ledger.balance(0)}


def points(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Let a process die at each point, again and again, and others finish."""
    ledger = Ledger(stage)
    link = ledger.link(ledger.web)
    chosen = options.at.split(",") if options.at else [*WORKER_POINTS, *WEB_POINTS]
    at_workers = [point for point in chosen if point in WORKER_POINTS]
    for point in at_workers:
        for run in range(0, options.runs, AT_ONCE):
            dying = [start_worker(stage, PORTAL_CRASH_AT=point) for _ in range(min(AT_ONCE, options.runs - run))]
            number = 0
            while any(each.process.poll() is None for each in dying):
                ledger.insist(f"{point}-{run}-{number}", link)
                number += 1
                time.sleep(0.1)
    for point in (point for point in chosen if point in WEB_POINTS):
        die_accepting(ledger, point, options.runs)
    start_worker(stage)
    runs = options.runs * len(chosen)
    return {"runs": runs, **ledger.balance(options.runs * len(at_workers) * LARGEST_IN_FLIGHT)}


def die_accepting(ledger: Ledger, point: str, runs: int) -> None:
    """Let web processes die while they accept; each event is then asked for once more at another one."""
    link = ledger.link(ledger.web)
    for run in range(runs):
        dying = ledger.serve({**ledger.stage.environment(), **FAULTS, "PORTAL_CRASH_AT": point})
        if ledger.publish(f"{point}-{run}", ledger.link(dying)):
            raise Failed(f"nobody died at {point}")
        ledger.insist(f"{point}-{run}", link)
        dying.child.stop(hard=True)


def frozen(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Stop a worker, publish, and kill it, again and again."""
    ledger, worker, slowest = Ledger(stage), start_worker(stage, stage.redis), 0.0
    link = ledger.link(ledger.web)
    for run in range(options.runs):
        for number in range(10):
            ledger.insist(f"{run}-before-{number}", link)
        with nobody_writes(stage):
            worker.freeze()
        for number in range(10):
            ledger.insist(f"{run}-after-{number}", link)
        time.sleep(FROZEN_SECONDS)
        worker.stop(hard=True)
        worker = start_worker(stage, stage.redis)
        started = time.monotonic()
        wait_for(lambda: set(ledger.accepted.values()) <= stage.came(), f"run {run}: not all arrived", 60)
        slowest = max(slowest, time.monotonic() - started)
    if slowest > LEASE_SECONDS + SWEEP_SECONDS + 5:
        raise Failed(f"a promise is broken: the slowest took {slowest:.1f} s after the kill")
    return {"runs": options.runs, "slowest_s": round(slowest, 1), **ledger.balance(options.runs * LARGEST_IN_FLIGHT)}


@contextmanager
def nobody_writes(stage: Stage):
    """Keep SQLite's writers out: one that is frozen while it writes would keep everybody else waiting."""
    if stage.database:
        yield
        return
    with sqlite3.connect(stage.scene.folder / "portal.sqlite3", timeout=20, isolation_level=None) as file:
        file.execute("BEGIN IMMEDIATE")
        yield
        file.execute("ROLLBACK")


def restart(stage: Stage, options: argparse.Namespace, server: Cluster) -> dict[str, Any]:
    """Restart PostgreSQL as a power cut would."""
    ledger = Ledger(stage)
    workers = [start_worker(stage) for _ in range(2)]

    def disturb(stop: threading.Event) -> int:
        restarts = 0
        while not stop.wait(options.seconds / RESTARTS * 0.9) and restarts < RESTARTS:
            server.control("restart", "immediate")
            restarts += 1
        return restarts

    restarts = under_load(ledger, options.seconds, disturb)
    if any(each.process.poll() is not None for each in workers):
        raise Failed("a promise is broken: a worker ended")
    asked_again = sum(ledger.refused.values())
    return {"restarts": restarts, "asked_again": asked_again, **ledger.balance(restarts * LARGEST_IN_FLIGHT)}


def busy(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Let people look at pages while events are accepted and delivered."""
    ledger = Ledger(stage)
    for _number in range(2):
        start_worker(stage)
    signed_in = stage.step("sign_in", people=READERS)
    pages = ["", "webhooks/", "events/", f"webhooks/{signed_in['endpoint']}/"]
    seen: list[int] = []

    def read(cookie: str, stop: threading.Event) -> None:
        stop.wait(random.uniform(0, READ_EVERY_SECONDS))
        while not stop.wait(READ_EVERY_SECONDS):
            path = f"/o/bench0/settings/integration/{random.choice(pages)}"
            answer = get(ledger.web.port, path, {"Cookie": cookie, "Accept": "text/html"})
            seen.append(answer.status)

    def disturb(stop: threading.Event) -> int:
        readers = [threading.Thread(target=read, args=(cookie, stop)) for cookie in signed_in["cookies"]]
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        return len(seen)

    looked = under_load(ledger, options.seconds, disturb)
    locked = sum(child.log.read_text(errors="replace").count("database is locked") for child in stage.scene.children)
    if locked or ledger.refused or set(seen) != {200}:
        raise Failed(f"a promise is broken: locked {locked}, refused {dict(ledger.refused)}, pages {set(seen)}")
    return {"pages": looked, "locked": locked, "accept_p99_ms": ledger.p99_ms(), **ledger.balance(0)}


def claims(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """Let 16 threads claim every due row at once."""
    stage.step("backlog", events=options.rows, event_type=TYPE)
    found = stage.step("claim_all", threads=16)
    if found["claimed"] != options.rows or found["distinct"] != options.rows:
        raise Failed(f"a promise is broken: {found}")
    return found


PARTS: dict[str, Callable[..., dict[str, Any]]] = {
    each.__name__: each for each in (kill, points, redis, frozen, restart, busy, claims)
}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Set the stage and run one part."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        more = []
        if options.fault == "restart":
            more = [stack.enter_context(cluster())]
            options.database = more[0].url
        stack.enter_context(schema(options.database))
        stage = Stage(stack.enter_context(scene(Path(folder))), options.database)
        # A process that dies or freezes should have something under way.
        name = "late" if options.fault in ("points", "frozen") else "ok"
        paths = [[f"/{name}{number}", TYPE] for number in range(20 if options.fault == "claims" else 1)]
        stage.step("endpoints", organizations=len(paths), paths=paths, url=f"http://{HOST}:{stage.port}")
        return PARTS[options.fault](stage, options, *more)


def main() -> None:
    """Run one of them and print what came out."""
    options = arguments()
    started = time.monotonic()
    found = {**run(options), "took_s": round(time.monotonic() - started)}
    print(json.dumps(found) if options.json else "  ".join(f"{name} {value}" for name, value in found.items()))


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))

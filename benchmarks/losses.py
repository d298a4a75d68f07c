"""The long forms of the promises that nothing is lost: real processes, real kill -9, and a ledger on both sides.

    .venv/bin/python benchmarks/losses.py kill|redis|points|claims [--database URL] [--seconds N] [--runs N] [--json]

kill: events at 50 a second, two workers, a random one killed every 3 s. redis: the same with FLUSHALL every 5 s, and
Redis stopped for a minute (or a tenth of the time). points: a worker that dies at each named point, ``--runs`` times
each. claims: 20,000 due rows and 16 claimers at once. Each prints what it counted, or says which bound is broken.

--database: a PostgreSQL scratch database, in which a schema is made and dropped; else SQLite.
"""

import argparse
import json
import random
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.deliveries import Stage, schema, wait_for
from benchmarks.processes import HOST, Child, Failed, scene

PER_SECOND, KILL_EVERY_SECONDS, FLUSH_EVERY_SECONDS = 50.0, 3.0, 5.0
TYPE = "bench.losses"
# At most this many requests of one worker are under way or not recorded yet.
LARGEST_IN_FLIGHT = 640
POINTS = ("after_claim", "before_send", "in_flight", "after_response", "before_record", "after_record")
FAULTS = {"PORTAL_FAULTS": "1", "PORTAL_LEASE_MARGIN": "1", "WEBHOOK_TIMEOUT": "1"}


def arguments() -> argparse.Namespace:
    """This will read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fault", choices=("kill", "redis", "points", "claims"))
    parser.add_argument("--database", default="", metavar="URL")
    parser.add_argument("--seconds", type=float, default=200.0)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def start_worker(stage: Stage, broker: str = "", **variables: str) -> Child:
    """This will start one worker with short leases."""
    environment = {**stage.environment(broker), **FAULTS, **variables}
    return stage.scene.start("worker", [sys.executable, "manage.py", "worker"], environment)


def balance(stage: Stage, repeats_allowed: int) -> dict[str, int]:
    """This will wait until nothing is open, then compare what was accepted with what came."""
    wait_for(lambda: set(stage.step("state")["statuses"]) <= {"succeeded"}, "not all was delivered")
    accepted = {(key, path) for key, path in stage.step("ids")["accepted"]}
    came = Counter((key, path) for path, key, _at in stage.received())
    found = {
        "accepted": len(accepted),
        "lost": len(accepted - set(came)),
        "unexpected": len(set(came) - accepted),
        "repeated": came.total() - len(came),
        "repeats_allowed": repeats_allowed,
    }
    if found["lost"] or found["unexpected"] or found["repeated"] > repeats_allowed:
        raise Failed(f"a promise is broken: {found}")
    return found


def under_load(stage: Stage, seconds: float, disturb: Callable[[threading.Event], int], broker: str = "") -> int:
    """This will publish at a steady pace while ``disturb`` does its work, and return what that counted."""
    stop, counted = threading.Event(), []
    thread = threading.Thread(target=lambda: counted.append(disturb(stop)))
    thread.start()
    stage.step("paced", broker=broker, types=[TYPE], per_second=PER_SECOND, seconds=seconds)
    stop.set()
    thread.join()
    return counted[0]


def kill(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """This will kill a random one of two workers again and again."""
    workers = [start_worker(stage) for _ in range(2)]

    def disturb(stop: threading.Event) -> int:
        kills = 0
        while not stop.wait(KILL_EVERY_SECONDS):
            number = random.randrange(2)
            workers[number].stop(hard=True)
            workers[number] = start_worker(stage)
            kills += 1
        return kills

    kills = under_load(stage, options.seconds, disturb)
    return {"kills": kills, **balance(stage, kills * LARGEST_IN_FLIGHT)}


def redis(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """This will flush Redis again and again and stop it for a while."""
    if not stage.redis:
        raise Failed("redis-server is not installed")
    start_worker(stage, stage.redis)
    server = next(child for child in stage.scene.children if child.log.name == "redis.log")
    port = stage.redis.rsplit(":", 1)[1].split("/")[0]
    words = ["redis-server", "--port", port, "--bind", HOST, "--save", "", "--dir", str(stage.scene.folder)]

    def disturb(stop: threading.Event) -> int:
        flushes, away = 0, min(60.0, options.seconds / 10)
        while not stop.wait(FLUSH_EVERY_SECONDS):
            stage.flush_redis()
            flushes += 1
            if flushes == 2:
                server.stop(hard=True)
                stop.wait(away)
                stage.scene.start("redis-again", words, stage.environment())
        return flushes

    flushes = under_load(stage, options.seconds, disturb, stage.redis)
    return {"flushes": flushes, **balance(stage, 0)}


def points(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """This will let a worker die at each point, again and again, and another finish."""
    for _run in range(options.runs):
        for point in POINTS:
            stage.step("backlog", events=5, event_type=TYPE)
            killed = start_worker(stage, PORTAL_CRASH_AT=point)
            wait_for(lambda killed=killed: killed.process.poll() is not None, f"nobody died at {point}", 30)
    start_worker(stage)
    runs = options.runs * len(POINTS)
    return {"runs": runs, **balance(stage, runs * LARGEST_IN_FLIGHT)}


def claims(stage: Stage, options: argparse.Namespace) -> dict[str, Any]:
    """This will let 16 threads claim 20,000 due rows."""
    stage.step("backlog", events=20_000, event_type=TYPE)
    found = stage.step("claim_all", threads=16)
    if found["claimed"] != 20_000 or found["distinct"] != 20_000:
        raise Failed(f"a promise is broken: {found}")
    return found


PARTS = {"kill": kill, "redis": redis, "points": points, "claims": claims}


def main() -> None:
    """This will run one of them and print what came out."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, schema(options.database), scene(Path(folder)) as around:
        stage = Stage(around, options.database)
        paths = [[f"/ok{number}", TYPE] for number in range(20 if options.fault == "claims" else 1)]
        owners = len(paths)
        stage.step("endpoints", organizations=owners, paths=paths, url=f"http://{HOST}:{stage.port}")
        found = PARTS[options.fault](stage, options)
    print(json.dumps(found) if options.json else "  ".join(f"{name} {value}" for name, value in found.items()))


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))

"""Deliveries of our engine beside one Celery task per delivery with ``requests``, in one run.

    .venv/bin/python benchmarks/deliveries.py [--database URL] [--rounds N] [--only PART,PART] [--quick] [--json]

Starts everything itself on free ports of 127.0.0.1, in a temporary folder, and stops it again: a receiver, workers as
real processes, a Redis where redis-server is installed (without it: no usual way, and no bell). Both sides do the same
work on the same database: row → sign → POST → attempt's row and the delivery's new state. Rounds are interleaved and
medians shown; no figure is printed unless the ids that the receiver got are those that were accepted.

--database: a PostgreSQL scratch database, in which a schema is made and dropped; else SQLite.
"""

import argparse
import json
import socket
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.processes import (
    HOST,
    TICKS,
    Child,
    Failed,
    Scene,
    free_port,
    get,
    parse_options,
    portal_environment,
    scene,
)

SCHEMA = "benchmark_deliveries"
# 50 endpoints of 5 organizations; each event of an organization goes to its 10.
BACKLOG_ENDPOINTS, BACKLOG_OWNERS, FAN_OUT = 50, 5, 10
MIX_ENDPOINTS, MIX_HANGING, MIX_DRIPPING = 200, 1, 20
WORKERS = (1, 2)
# What the mix leaves out of account: the start of the workers, and the part of the time that warms up.
START_SECONDS, WARM_UP = 5.0, 0.2
THREADS, PROCESSES = 32, 8
DRAIN_SECONDS = 120.0
TYPE = "bench.backlog"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", default="", metavar="URL")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", type=int, default=20_000, help="deliveries of our backlog")
    parser.add_argument("--usual", type=int, default=2_000, help="deliveries of the usual way's backlog; 0: ours alone")
    parser.add_argument("--pool", default="prefork", choices=("prefork", "threads"), help="of the usual Celery worker")
    parser.add_argument("--plain", action="store_true", help="the usual way without kept connections")
    parser.add_argument("--per-second", type=float, default=100.0, help="events of the mix with slow endpoints")
    parser.add_argument("--seconds", type=float, default=20.0, help="of that mix")
    parser.add_argument("--singles", type=int, default=100, help="events at rest")
    parser.add_argument("--workers", type=int, nargs="+", default=WORKERS, metavar="N", help="how many, in turn")
    parser.add_argument("--only", default="backlog,mix,rest", metavar="PART,PART")
    parser.add_argument("--json", action="store_true")
    return parse_options(parser, rounds=1, ours=2_000, usual=200, seconds=2.0, singles=10, workers=(1,))


class Stage:
    """The receiver, the database, the Redis, and how workers are started."""

    def __init__(self, around: Scene, database: str) -> None:
        self.scene = around
        self.database = database
        self.is_plain = False
        self.port = free_port()
        redis = around.redis()
        self.redis = redis[1] if redis else ""
        words = [sys.executable, "-m", "benchmarks.hooks.receiver", str(self.port)]
        self.receiver = around.start("receiver", words, self.environment())
        around.wait_until(lambda: get(self.port, "/reset").status == 200, "the receiver did not start", self.receiver)
        self.step("migrate")

    def environment(self, broker: str = "") -> dict[str, str]:
        """Return the configuration of every process; ``broker`` rings the bell through Celery."""
        url = f"{self.database}?options=-c%20search_path%3D{SCHEMA}" if self.database else ""
        given = portal_environment(self.scene.folder, url, WEBHOOK_ALLOW_CIDRS="127.0.0.0/8")
        found = {**given, "DJANGO_SETTINGS_MODULE": "integrations_portal.settings"}
        if self.redis:
            found["RIVAL_BROKER"] = self.redis
        return {**found, "CELERY_BROKER_URL": broker} if broker else found

    def rival(self) -> dict[str, str]:
        """Return the configuration of the usual way's workers."""
        return self.environment() | ({"RIVAL_PLAIN": "1"} if self.is_plain else {})

    def step(self, name: str, broker: str = "", **values: Any) -> dict[str, Any]:
        """Run one step of benchmarks/hooks/work.py and return its answer."""
        words = ["-m", "benchmarks.hooks.work", name, json.dumps(values)]
        return json.loads(self.scene.run(words, self.environment(broker)))

    @contextmanager
    def ours(self, count: int, broker: str = ""):
        """Run so many of our workers."""
        words = [sys.executable, "manage.py", "worker"]
        yield from self._running(
            [self.scene.start(f"worker{number}", words, self.environment(broker)) for number in range(count)]
        )

    @contextmanager
    def usual(self, count: int, pool: str):
        """Run so many Celery workers: processes, more than cores as each waits for commits, or threads."""
        words = [sys.executable, "-m", "celery", "-A", "benchmarks.hooks.rival", "worker", "-P", pool, "-l", "WARNING"]
        words += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        words += ["-c", str(THREADS if pool == "threads" else PROCESSES)]
        yield from self._running(
            [self.scene.start(f"rival{n}", [*words, "-n", f"r{n}@%h"], self.rival()) for n in range(count)]
        )

    def _running(self, children: list[Child]):
        try:
            yield children
        finally:
            for child in children:
                child.stop()
                self.scene.children.remove(child)

    def database_cpu(self) -> float:
        """Return the processor seconds of this database's server processes, where the system tells them."""
        if not self.database:
            return 0.0
        with psycopg.connect(self.database) as connection:
            statement = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            return sum(seconds_of(pid) for (pid,) in connection.execute(statement).fetchall())

    def received(self) -> list[list[Any]]:
        """Return what came: path, webhook-id, moment."""
        return json.loads(get(self.port, "/log").body)

    def came(self) -> set[str]:
        """Return the webhook-ids that came."""
        return {key for _path, key, _at in self.received()}

    def flush_redis(self) -> None:
        """Empty this run's own Redis."""
        with suppress(OSError), socket.create_connection((HOST, int(self.redis.rsplit(":", 1)[1][:-2])), 1) as link:
            link.sendall(b"FLUSHALL\r\n")
            link.recv(64)

    def count(self) -> int:
        """Return how many requests came."""
        return int(get(self.port, "/count").body)

    def reset(self) -> None:
        """Empty the queue and what the receiver remembers."""
        get(self.port, "/reset")
        self.step("empty")


def seconds_of(pid: int) -> float:
    """Return the processor seconds of one process, 0 where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def wait_for(check: Callable[[], bool], what: str, seconds: float = DRAIN_SECONDS) -> None:
    """Return when the check holds, or end the run."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise Failed(f"{what} within {seconds:.0f} s")
        time.sleep(0.05)


def check_received(stage: Stage, slow: bool = False) -> list[list[Any]]:
    """Return what came, and end the run unless it is what was accepted, each once."""
    accepted = Counter((key, path) for key, path in stage.step("ids")["accepted"])
    log = stage.received()
    got = Counter((key, path) for path, key, _at in log)
    if slow:  # what never ends is tried again, and has not all been tried when the run ends
        accepted = Counter({each: n for each, n in accepted.items() if each[1].startswith("/ok")})
        got = Counter({each: n for each, n in got.items() if each[1].startswith("/ok")})
    if got != accepted:
        lost, more = accepted - got, got - accepted
        raise Failed(f"accepted {accepted.total()}, received {got.total()}: lost {lost.total()}, more {more.total()}")
    return log


def drain(stage: Stage, deliveries: int, children: list[Child]) -> dict[str, float]:
    """Wait until a backlog is delivered and recorded; from the first POST to the last record."""
    wait_for(lambda: stage.count() >= 1, "nothing came")
    begun, database_begun = sum(child.cpu_seconds() for child in children), stage.database_cpu()
    wait_for(lambda: stage.count() >= deliveries, "the backlog was not delivered")
    used = sum(child.cpu_seconds() for child in children) - begun
    database_used = stage.database_cpu() - database_begun
    wait_for(lambda: stage.step("state")["attempts"] >= deliveries, "not all was recorded", 20)
    state = stage.step("state")
    if state["statuses"] != {"succeeded": deliveries} or state["attempts"] != deliveries:
        raise Failed(f"recorded {state}")
    log = check_received(stage)
    moments = sorted(at for _path, _key, at in log)
    seconds = max(moments[-1], state["last_finished"]) - moments[0]
    used_each, database_each = used / deliveries * 1e6, database_used / deliveries * 1e6
    return {"per_second": deliveries / seconds, "cpu_us": used_each, "database_us": database_each}


def backlog(stage: Stage, options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Deliver backlogs, both sides in turn."""
    paths = [[f"/ok{number}", TYPE] for number in range(BACKLOG_ENDPOINTS)]
    stage.step("endpoints", organizations=BACKLOG_OWNERS, paths=paths, url=f"http://{HOST}:{stage.port}")
    found: dict[str, list[dict[str, float]]] = {}
    for _round in range(options.rounds):
        for workers in options.workers:
            for side in ("ours", "usual") if stage.redis and options.usual else ("ours",):
                stage.reset()
                events = (options.ours if side == "ours" else options.usual) // FAN_OUT
                deliveries = stage.step("backlog", events=events, event_type=TYPE)["deliveries"]
                if side == "usual":
                    stage.step("enqueue")
                started = stage.ours(workers) if side == "ours" else stage.usual(workers, options.pool)
                with started as children:
                    found.setdefault(f"{side} {workers}", []).append(drain(stage, deliveries, children))
    return found


def percentile(values: list[float], part: float) -> float:
    """Return the value that so large a part is at or under."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def latencies(stage: Stage, sent: dict[str, float], slow: bool = False) -> list[float]:
    """Return the milliseconds from each commit to its arrival, of the endpoints that answer."""
    log = check_received(stage, slow)
    return [(at - sent[key]) * 1000 for path, key, at in log if key in sent and path.startswith("/ok")]


def healthy(number: int, slow: bool) -> str:
    """Return the path of one of 200 endpoints, in a mix with or without slow ones."""
    if slow and number < MIX_HANGING:
        return f"/hang{number}"
    return f"/drip{number}" if slow and number < MIX_HANGING + MIX_DRIPPING else f"/ok{number}"


def mix(stage: Stage, options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Publish at a steady pace to 200 endpoints, with and without slow ones in turn, each first in turn."""
    found: dict[str, list[dict[str, float]]] = {}
    for number in range(options.rounds):
        for workers in options.workers:
            for slow in (False, True) if number % 2 else (True, False):
                name = f"{'slow' if slow else 'all well'} {workers}"
                found.setdefault(name, []).append(mix_once(stage, options, workers, slow))
    return found


def mix_once(stage: Stage, options: argparse.Namespace, workers: int, slow: bool) -> dict[str, float]:
    """Run one mix and return how long those that answer waited for their deliveries."""
    paths = [[healthy(number, slow), f"bench.mix{number}"] for number in range(MIX_ENDPOINTS)]
    stage.reset()
    stage.step("endpoints", organizations=4, paths=paths, url=f"http://{HOST}:{stage.port}")
    with stage.ours(workers, stage.redis):
        time.sleep(START_SECONDS)
        types = [event_type for _path, event_type in paths]
        values = {"types": types, "per_second": options.per_second, "seconds": options.seconds}
        sent = stage.step("paced", broker=stage.redis, **values)["sent"]
        time.sleep(2.0)
        from_then = min(sent.values()) + options.seconds * WARM_UP
        times = latencies(stage, {key: at for key, at in sent.items() if at >= from_then}, slow)
    return {"p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99), "n": len(times)}


def rest(stage: Stage, options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Publish one event at a time, through Celery and without a broker in turn."""
    found: dict[str, list[dict[str, float]]] = {}
    for _round in range(options.rounds):
        for name, broker in (("through Celery", stage.redis), ("without a broker", "")):
            if name == "through Celery" and not stage.redis:
                continue
            stage.reset()
            stage.step("endpoints", organizations=1, paths=[["/ok", TYPE]], url=f"http://{HOST}:{stage.port}")
            with stage.ours(1, broker):
                time.sleep(4.0)
                sent = stage.step("single", broker=broker, event_type=TYPE, count=options.singles)["sent"]
                times = latencies(stage, sent)
                found.setdefault(name, []).append(
                    {"p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99), "n": len(times)}
                )
    return found


PARTS = {"backlog": backlog, "mix": mix, "rest": rest}


def medians(figures: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the median of each figure over the rounds."""
    return {
        name: {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        for name, rounds in figures.items()
    }


def ratios(rounds: dict[str, dict[str, list[dict[str, float]]]]) -> dict[str, float]:
    """Return the ratios that engine figures are judged by, each the median of the rounds' own."""
    found = {}
    speed, waits = rounds.get("backlog", {}), rounds.get("mix", {})
    for workers in WORKERS:
        with suppress(KeyError):
            ours, usual = speed[f"ours {workers}"], speed[f"usual {workers}"]
            found[f"deliveries/s, {workers} worker(s): ours ÷ usual"] = of_rounds("per_second", ours, usual)
            found[f"CPU per delivery, {workers} worker(s): usual ÷ ours"] = of_rounds("cpu_us", usual, ours)
        with suppress(KeyError):
            slow, well = waits[f"slow {workers}"], waits[f"all well {workers}"]
            found[f"p99 of those that answer, {workers} worker(s): with slow ones ÷ without"] = of_rounds(
                "p99_ms", slow, well
            )
    return found


def of_rounds(key: str, above: list[dict[str, float]], below: list[dict[str, float]]) -> float:
    """Return the median of one figure's ratio over rounds that ran side by side."""
    return statistics.median(one[key] / other[key] for one, other in zip(above, below, strict=True))


def show(parts: dict[str, dict[str, dict[str, float]]], compared: dict[str, float]) -> None:
    """Print the tables."""
    titles = {"backlog": "A backlog", "mix": "200 endpoints at a steady pace", "rest": "One event at rest"}
    for part, rows in parts.items():
        print(f"\n{titles[part]}")
        for name, figures in rows.items():
            print(f"  {name:<24}" + "".join(f"{key:>14} {value:>9.1f}" for key, value in figures.items()))
    print()
    for name, ratio in compared.items():
        print(f"  {name:<72}{ratio:>8.2f}")


@contextmanager
def schema(database: str):
    """Make a schema in the given database, and drop it afterwards."""
    if not database:
        yield
        return
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        connection.execute(f"CREATE SCHEMA {SCHEMA}")
    try:
        yield
    finally:
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")


def main() -> None:
    """Run the parts that were asked for and print what came out."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, schema(options.database), scene(Path(folder)) as around:
        stage = Stage(around, options.database)
        stage.is_plain = options.plain
        rounds = {name: PARTS[name](stage, options) for name in options.only.split(",")}
    parts = {name: medians(each) for name, each in rounds.items()}
    compared = ratios(rounds)
    if options.json:
        print(json.dumps({"rounds": rounds, "medians": parts, "ratios": compared}))
    else:
        show(parts, compared)


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(str(failure))

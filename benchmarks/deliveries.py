"""Compare the portal's delivery engine with one Celery task per delivery that uses ``requests``.

    .venv/bin/python benchmarks/deliveries.py [--database URL] [--rounds N] [--only PART,PART] [--quick] [--json]

The program starts a receiver, workers and a Redis on free ports of 127.0.0.1 and in a temporary folder, and stops them
at the end. Without redis-server, the Celery tasks and wakeups through Celery are left out. Both sides do the same work
on the same database: read the row, sign, POST, store the attempt and the delivery's new state. Rounds alternate between
the sides, and the medians are shown. No results are printed unless the receiver got exactly the accepted ids.

--database: a PostgreSQL scratch database, in which a schema is created and dropped; the default is SQLite.
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
    LOOPBACK,
    TICKS,
    BenchmarkFailed,
    ChildProcess,
    ProcessGroup,
    free_port,
    get,
    parse_options,
    portal_environment,
    process_group,
)

SCHEMA = "benchmark_deliveries"
# 5 organizations with 10 endpoints each; each event goes to all endpoints of its organization.
BACKLOG_ENDPOINTS, BACKLOG_OWNERS, FAN_OUT = 50, 5, 10
MIX_ENDPOINTS, MIX_HANGING, MIX_DRIPPING = 200, 1, 20
WORKERS = (1, 2)
# Not measured in the mix: the start of the workers, and this fraction of the time as a warm-up.
START_SECONDS, WARM_UP = 5.0, 0.2
THREADS, PROCESSES = 32, 8
MAX_WAIT_SECONDS = 120.0
TYPE = "bench.backlog"


def arguments() -> argparse.Namespace:
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


class DeliverySetup:
    """The receiver, database and Redis of a run, and methods that start workers."""

    def __init__(self, group: ProcessGroup, database: str) -> None:
        self.group = group
        self.database = database
        self.is_plain = False
        self.port = free_port()
        redis = group.redis()
        self.redis = redis[1] if redis else ""
        command = [sys.executable, "-m", "benchmarks.hooks.receiver", str(self.port)]
        self.receiver = group.start("receiver", command, self.environment())
        group.wait_until(lambda: get(self.port, "/reset").status == 200, "the receiver did not start", self.receiver)
        self.step("migrate")

    def environment(self, broker: str = "") -> dict[str, str]:
        """Return the environment variables of all processes; with ``broker``, wakeups go through Celery."""
        url = f"{self.database}?options=-c%20search_path%3D{SCHEMA}" if self.database else ""
        variables = portal_environment(self.group.folder, url, WEBHOOK_ALLOW_CIDRS="127.0.0.0/8")
        found = {**variables, "DJANGO_SETTINGS_MODULE": "integrations_portal.settings"}
        if self.redis:
            found["RIVAL_BROKER"] = self.redis
        return {**found, "CELERY_BROKER_URL": broker} if broker else found

    def rival_environment(self) -> dict[str, str]:
        """Return the environment variables of the Celery workers."""
        return self.environment() | ({"RIVAL_PLAIN": "1"} if self.is_plain else {})

    def step(self, name: str, broker: str = "", **values: Any) -> dict[str, Any]:
        """Run one step of benchmarks/hooks/steps.py and return its result."""
        command = ["-m", "benchmarks.hooks.steps", name, json.dumps(values)]
        return json.loads(self.group.run(command, self.environment(broker)))

    @contextmanager
    def ours(self, count: int, broker: str = ""):
        """Run ``count`` workers of the portal."""
        command = [sys.executable, "manage.py", "worker"]
        yield from self._running(
            [self.group.start(f"worker{number}", command, self.environment(broker)) for number in range(count)]
        )

    @contextmanager
    def usual(self, count: int, pool: str):
        """Run ``count`` Celery workers with processes (more than cores, as they wait for commits) or threads."""
        command = [sys.executable, "-m", "celery", "-A", "benchmarks.hooks.rival", "worker", "-P", pool]
        command += ["-l", "WARNING", "--without-gossip", "--without-mingle", "--without-heartbeat"]
        command += ["-c", str(THREADS if pool == "threads" else PROCESSES)]
        yield from self._running(
            [
                self.group.start(f"rival{n}", [*command, "-n", f"r{n}@%h"], self.rival_environment())
                for n in range(count)
            ]
        )

    def _running(self, children: list[ChildProcess]):
        try:
            yield children
        finally:
            for child in children:
                child.stop()
                self.group.children.remove(child)

    def database_cpu(self) -> float:
        """Return the CPU seconds of the database's server processes, or 0 for SQLite."""
        if not self.database:
            return 0.0
        with psycopg.connect(self.database) as connection:
            statement = "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            return sum(cpu_seconds_of(pid) for (pid,) in connection.execute(statement).fetchall())

    def received(self) -> list[list[Any]]:
        """Return path, webhook-id and time of each request that the receiver got."""
        return json.loads(get(self.port, "/log").body)

    def received_ids(self) -> set[str]:
        """Return the webhook-ids that the receiver got."""
        return {key for _path, key, _at in self.received()}

    def flush_redis(self) -> None:
        """Delete all keys of the Redis that this run has started."""
        with suppress(OSError), socket.create_connection((LOOPBACK, int(self.redis.rsplit(":", 1)[1][:-2])), 1) as link:
            link.sendall(b"FLUSHALL\r\n")
            link.recv(64)

    def count(self) -> int:
        """Return the number of requests that the receiver got."""
        return int(get(self.port, "/count").body)

    def reset(self) -> None:
        """Delete the queue and the receiver's log."""
        get(self.port, "/reset")
        self.step("empty")


def cpu_seconds_of(pid: int) -> float:
    """Return the CPU seconds of one process, or 0 if the system does not report them."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICKS


def wait_for(check: Callable[[], bool], what: str, seconds: float = MAX_WAIT_SECONDS) -> None:
    """Wait until the check returns True, or raise BenchmarkFailed after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not check():
        if time.monotonic() > deadline:
            raise BenchmarkFailed(f"{what} within {seconds:.0f} s")
        time.sleep(0.05)


def check_received(setup: DeliverySetup, slow: bool = False) -> list[list[Any]]:
    """Return the received requests; raise BenchmarkFailed unless each accepted delivery was received once."""
    accepted = Counter((key, path) for key, path in setup.step("ids")["accepted"])
    log = setup.received()
    got = Counter((key, path) for path, key, _at in log)
    if slow:  # requests to slow endpoints may be retried or not sent yet when the run ends
        accepted = Counter({each: n for each, n in accepted.items() if each[1].startswith("/ok")})
        got = Counter({each: n for each, n in got.items() if each[1].startswith("/ok")})
    if got != accepted:
        lost, more = accepted - got, got - accepted
        raise BenchmarkFailed(
            f"accepted {accepted.total()}, received {got.total()}: lost {lost.total()}, more {more.total()}"
        )
    return log


def measure_backlog(setup: DeliverySetup, deliveries: int, children: list[ChildProcess]) -> dict[str, float]:
    """Measure a backlog from the first POST until all deliveries are recorded."""
    wait_for(lambda: setup.count() >= 1, "nothing came")
    begun, database_begun = sum(child.cpu_seconds() for child in children), setup.database_cpu()
    wait_for(lambda: setup.count() >= deliveries, "the backlog was not delivered")
    used = sum(child.cpu_seconds() for child in children) - begun
    database_used = setup.database_cpu() - database_begun
    wait_for(lambda: setup.step("state")["attempts"] >= deliveries, "not all was recorded", 20)
    state = setup.step("state")
    if state["statuses"] != {"succeeded": deliveries} or state["attempts"] != deliveries:
        raise BenchmarkFailed(f"recorded {state}")
    log = check_received(setup)
    moments = sorted(at for _path, _key, at in log)
    seconds = max(moments[-1], state["last_finished"]) - moments[0]
    used_each, database_each = used / deliveries * 1e6, database_used / deliveries * 1e6
    return {"per_second": deliveries / seconds, "cpu_us": used_each, "database_us": database_each}


def backlog(setup: DeliverySetup, options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Measure backlogs, both sides in turn."""
    paths = [[f"/ok{number}", TYPE] for number in range(BACKLOG_ENDPOINTS)]
    setup.step("endpoints", organizations=BACKLOG_OWNERS, paths=paths, url=f"http://{LOOPBACK}:{setup.port}")
    found: dict[str, list[dict[str, float]]] = {}
    for _round in range(options.rounds):
        for workers in options.workers:
            for side in ("ours", "usual") if setup.redis and options.usual else ("ours",):
                setup.reset()
                events = (options.ours if side == "ours" else options.usual) // FAN_OUT
                deliveries = setup.step("backlog", events=events, event_type=TYPE)["deliveries"]
                if side == "usual":
                    setup.step("enqueue")
                started = setup.ours(workers) if side == "ours" else setup.usual(workers, options.pool)
                with started as children:
                    found.setdefault(f"{side} {workers}", []).append(measure_backlog(setup, deliveries, children))
    return found


def percentile(values: list[float], part: float) -> float:
    """Return the value of a percentile, given as a fraction."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def latencies(setup: DeliverySetup, sent: dict[str, float], slow: bool = False) -> list[float]:
    """Return the milliseconds from each commit to the arrival, for the endpoints that respond."""
    log = check_received(setup, slow)
    return [(at - sent[key]) * 1000 for path, key, at in log if key in sent and path.startswith("/ok")]


def endpoint_path(number: int, slow: bool) -> str:
    """Return the path of one of the 200 endpoints of a mix, with or without slow ones."""
    if slow and number < MIX_HANGING:
        return f"/hang{number}"
    return f"/drip{number}" if slow and number < MIX_HANGING + MIX_DRIPPING else f"/ok{number}"


def mix(setup: DeliverySetup, options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Publish at a steady rate to 200 endpoints, alternately with and without slow ones."""
    found: dict[str, list[dict[str, float]]] = {}
    for number in range(options.rounds):
        for workers in options.workers:
            for slow in (False, True) if number % 2 else (True, False):
                name = f"{'slow' if slow else 'all well'} {workers}"
                found.setdefault(name, []).append(mix_once(setup, options, workers, slow))
    return found


def mix_once(setup: DeliverySetup, options: argparse.Namespace, workers: int, slow: bool) -> dict[str, float]:
    """Run one mix and return the latencies of the endpoints that respond."""
    paths = [[endpoint_path(number, slow), f"bench.mix{number}"] for number in range(MIX_ENDPOINTS)]
    setup.reset()
    setup.step("endpoints", organizations=4, paths=paths, url=f"http://{LOOPBACK}:{setup.port}")
    with setup.ours(workers, setup.redis):
        time.sleep(START_SECONDS)
        types = [event_type for _path, event_type in paths]
        values = {"types": types, "per_second": options.per_second, "seconds": options.seconds}
        sent = setup.step("paced", broker=setup.redis, **values)["sent"]
        time.sleep(2.0)
        from_then = min(sent.values()) + options.seconds * WARM_UP
        times = latencies(setup, {key: at for key, at in sent.items() if at >= from_then}, slow)
    return {"p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99), "n": len(times)}


def rest(setup: DeliverySetup, options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Publish one event at a time, alternately with wakeups through Celery and without a broker."""
    found: dict[str, list[dict[str, float]]] = {}
    for _round in range(options.rounds):
        for name, broker in (("through Celery", setup.redis), ("without a broker", "")):
            if name == "through Celery" and not setup.redis:
                continue
            setup.reset()
            setup.step("endpoints", organizations=1, paths=[["/ok", TYPE]], url=f"http://{LOOPBACK}:{setup.port}")
            with setup.ours(1, broker):
                time.sleep(4.0)
                sent = setup.step("single", broker=broker, event_type=TYPE, count=options.singles)["sent"]
                times = latencies(setup, sent)
                found.setdefault(name, []).append(
                    {"p50_ms": percentile(times, 0.5), "p99_ms": percentile(times, 0.99), "n": len(times)}
                )
    return found


PARTS = {"backlog": backlog, "mix": mix, "rest": rest}


def medians(measurements: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Return the medians over the rounds."""
    return {
        name: {key: statistics.median(each[key] for each in rounds) for key in rounds[0]}
        for name, rounds in measurements.items()
    }


def ratios(rounds: dict[str, dict[str, list[dict[str, float]]]]) -> dict[str, float]:
    """Return the ratios between the two sides, each the median over the rounds."""
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
    """Return the median of the ratios of one value over pairs of rounds."""
    return statistics.median(one[key] / other[key] for one, other in zip(above, below, strict=True))


def show(parts: dict[str, dict[str, dict[str, float]]], compared: dict[str, float]) -> None:
    titles = {"backlog": "A backlog", "mix": "200 endpoints at a steady pace", "rest": "One event at rest"}
    for part, rows in parts.items():
        print(f"\n{titles[part]}")
        for name, measurements in rows.items():
            print(f"  {name:<24}" + "".join(f"{key:>14} {value:>9.1f}" for key, value in measurements.items()))
    print()
    for name, ratio in compared.items():
        print(f"  {name:<72}{ratio:>8.2f}")


@contextmanager
def schema(database: str):
    """Create a schema in the given database, and drop it afterwards."""
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
    """Run the selected parts and print the results."""
    options = arguments()
    with tempfile.TemporaryDirectory() as folder, schema(options.database), process_group(Path(folder)) as group:
        setup = DeliverySetup(group, options.database)
        setup.is_plain = options.plain
        rounds = {name: PARTS[name](setup, options) for name in options.only.split(",")}
    parts = {name: medians(each) for name, each in rounds.items()}
    compared = ratios(rounds)
    if options.json:
        print(json.dumps({"rounds": rounds, "medians": parts, "ratios": compared}))
    else:
        show(parts, compared)


if __name__ == "__main__":
    try:
        main()
    except BenchmarkFailed as failure:
        sys.exit(str(failure))

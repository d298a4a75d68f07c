"""Every answered call has exactly one row, though web processes are killed all the time (promise 23).

    .venv/bin/python benchmarks/call_log_complete.py [--calls N] [--kills N] [--mode strict|stream|both]

Two web processes, five thousand calls by six clients that keep a ledger of the answers they got, ``kill -9`` of one of
the processes again and again. Then the ledger is compared with the call log, request by request. SQLite, and a Redis of
this run's own for the stream. Exit code 1 where an answer has no row or two.
"""

import argparse
import itertools
import json
import sqlite3
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.processes import Failed, Scene, Server, get, parse_options, portal_environment, scene

CLIENTS = 6
APPLICATION = "integrations_portal.wsgi:application"
LONGEST_SECONDS = 900.0


class Ledger:
    """Makes calls in threads until so many were answered, and notes the id of each answer."""

    def __init__(self, servers: list[Server], key: str, calls: int) -> None:
        self.answered: list[str] = []
        self._servers, self._calls = servers, calls
        self._headers = {"Authorization": f"Bearer {key}"}
        self._numbers = itertools.count()
        self._end = time.monotonic() + LONGEST_SECONDS
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CLIENTS)]

    @property
    def is_done(self) -> bool:
        """Whether enough calls were answered, or the time is over."""
        return len(self.answered) >= self._calls or time.monotonic() > self._end

    def _run(self) -> None:
        while not self.is_done:
            server = self._servers[next(self._numbers) % len(self._servers)]
            answer = get(server.port, "/v1/users", self._headers)
            if answer.status:
                self.answered.append(answer.headers["x-request-id"])
            else:
                time.sleep(0.02)


def perform(started: Scene, mode: str, calls: int, kills: int) -> bool:
    """Do it in one mode, print the figures, and tell whether every answer has exactly one row."""
    redis = started.redis() if mode == "stream" else None
    if mode == "stream" and redis is None:
        print("skipped: stream (redis-server is not installed)")
        return True
    url = {"REDIS_URL": redis[1]} if redis else {}
    database = f"sqlite:///{started.folder}/{mode}.sqlite3"
    environment = portal_environment(started.folder, database, API_CALL_LOG=mode, **url)
    started.run(["manage.py", "migrate", "--verbosity", "0"], environment)
    words = ["create_organization", "--name", "Acme", "--slug", "acme", "--owner-email", "ada@acme.example"]
    started.run(["manage.py", *words], environment)
    words = ["create_api_key", "--org", "acme", "--type", "internal", "--name", "Ledger", "--scopes", "users:read"]
    key = json.loads(started.run(["manage.py", *words, "--json"], environment))
    servers = [started.serve(f"{mode}-{number}", APPLICATION, environment, 1, 4) for number in range(2)]
    ledger = Ledger(servers, key["key"], calls)
    for thread in ledger.threads:
        thread.start()
    done = 0
    while not ledger.is_done and done < kills:
        wanted = (done + 1) * calls // (kills + 1)
        while not ledger.is_done and len(ledger.answered) < wanted:
            time.sleep(0.01)
        killed = servers[done % 2]
        killed.child.stop(hard=True)
        servers[done % 2] = started.serve(killed.name, APPLICATION, environment, 1, 4, killed.port)
        done += 1
    for thread in ledger.threads:
        thread.join(60)
    for server in servers:
        server.child.stop()
    started.run(["manage.py", "worker", "--once"], environment)
    return compare(mode, ledger.answered, Path(database.removeprefix("sqlite:///")), key["id"], done)


def compare(mode: str, answered: list[str], database: Path, key_id: str, kills: int) -> bool:
    """Hold the ledger against the rows."""
    with closing(sqlite3.connect(database, timeout=20)) as connection:
        found = connection.execute("SELECT request_id FROM audit_apicall WHERE actor_id = ?", [key_id])
        rows = Counter(row[0] for row in found)
        counted = connection.execute("SELECT sum(calls) FROM audit_usagehour").fetchone()[0]
    missing = sum(rows[each] == 0 for each in answered)
    doubled = sum(count > 1 for count in rows.values())
    print(
        f"{mode}: {len(answered)} answers, {kills} kills: {missing} without a row, {doubled} rows twice,"
        f" {len(rows) - len(answered) + missing} rows of answers that died with their process, {counted} counted"
    )
    return not missing and not doubled and counted == sum(rows.values())


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--mode", choices=("strict", "stream", "both"), default="both")
    options = parse_options(parser, calls=300, kills=2)
    modes = ("strict", "stream") if options.mode == "both" else (options.mode,)
    with tempfile.TemporaryDirectory(prefix="call-log-") as folder, scene(Path(folder)) as started:
        try:
            whole = [perform(started, mode, options.calls, options.kills) for mode in modes]
        except Failed as failure:
            print(f"FAILED: {failure}", file=sys.stderr)
            return 1
    return int(not all(whole))


if __name__ == "__main__":
    sys.exit(main())

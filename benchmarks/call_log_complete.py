"""Check that each answered request has exactly one row in the log, although web processes are killed all the time.

    .venv/bin/python benchmarks/call_log_complete.py [--calls N] [--kills N] [--mode strict|stream|both]

Six clients send five thousand requests to two web processes and record the responses, while one of the processes is
killed repeatedly with ``kill -9``. Then the responses are compared with the log, request by request. The database is
SQLite; the program starts a Redis for the stream. The exit code is 1 if a response has no row or two rows.
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

from benchmarks.processes import (
    BenchmarkFailed,
    ProcessGroup,
    Server,
    get,
    parse_options,
    portal_environment,
    process_group,
)

CLIENTS = 6
APPLICATION = "integrations_portal.wsgi:application"
LONGEST_SECONDS = 900.0


class CallRecorder:
    """Sends requests in threads until ``calls`` were answered, and records the request id of each response."""

    def __init__(self, servers: list[Server], key: str, calls: int) -> None:
        self.answered: list[str] = []
        self._servers, self._calls = servers, calls
        self._headers = {"Authorization": f"Bearer {key}"}
        self._numbers = itertools.count()
        self._end = time.monotonic() + LONGEST_SECONDS
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CLIENTS)]

    @property
    def is_done(self) -> bool:
        """Whether enough requests were answered, or the time limit is reached."""
        return len(self.answered) >= self._calls or time.monotonic() > self._end

    def _run(self) -> None:
        while not self.is_done:
            server = self._servers[next(self._numbers) % len(self._servers)]
            answer = get(server.port, "/v1/users", self._headers)
            if answer.status:
                self.answered.append(answer.headers["x-request-id"])
            else:
                time.sleep(0.02)


def run_mode(group: ProcessGroup, mode: str, calls: int, kills: int) -> bool:
    """Run the check with one mode of the log, print the results, and return whether each response has one row."""
    redis = group.redis() if mode == "stream" else None
    if mode == "stream" and redis is None:
        print("skipped: stream (redis-server is not installed)")
        return True
    url = {"REDIS_URL": redis[1]} if redis else {}
    database = f"sqlite:///{group.folder}/{mode}.sqlite3"
    environment = portal_environment(group.folder, database, API_CALL_LOG=mode, **url)
    group.run(["manage.py", "migrate", "--verbosity", "0"], environment)
    command = ["create_organization", "--name", "Acme", "--slug", "acme", "--owner-email", "ada@acme.example"]
    group.run(["manage.py", *command], environment)
    command = ["create_api_key", "--org", "acme", "--type", "internal", "--name", "Ledger", "--scopes", "users:read"]
    key = json.loads(group.run(["manage.py", *command, "--json"], environment))
    servers = [group.serve(f"{mode}-{number}", APPLICATION, environment, 1, 4) for number in range(2)]
    recorder = CallRecorder(servers, key["key"], calls)
    for thread in recorder.threads:
        thread.start()
    done = 0
    while not recorder.is_done and done < kills:
        wanted = (done + 1) * calls // (kills + 1)
        while not recorder.is_done and len(recorder.answered) < wanted:
            time.sleep(0.01)
        killed = servers[done % 2]
        killed.child.stop(hard=True)
        servers[done % 2] = group.serve(killed.name, APPLICATION, environment, 1, 4, killed.port)
        done += 1
    for thread in recorder.threads:
        thread.join(60)
    for server in servers:
        server.child.stop()
    group.run(["manage.py", "worker", "--once"], environment)
    return has_one_row_per_response(mode, recorder.answered, Path(database.removeprefix("sqlite:///")), key["id"], done)


def has_one_row_per_response(mode: str, answered: list[str], database: Path, key_id: str, kills: int) -> bool:
    """Compare the responses with the rows, print the results, and return whether each response has one row."""
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
    with tempfile.TemporaryDirectory(prefix="call-log-") as folder, process_group(Path(folder)) as group:
        try:
            whole = [run_mode(group, mode, options.calls, options.kills) for mode in modes]
        except BenchmarkFailed as failure:
            print(f"FAILED: {failure}", file=sys.stderr)
            return 1
    return int(not all(whole))


if __name__ == "__main__":
    sys.exit(main())

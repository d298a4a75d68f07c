"""Measure the latency of one organization's ``GET /v1/me`` while another one uses its limits to the full.

    .venv/bin/python benchmarks/isolation.py [--database URL] [--seconds N] [--only PART,PART] [--nginx] [--json]

The program starts two web processes as in docs/run.md, two workers, and a Redis if redis-server is installed. Parts:
batches: creates users in batches of 100, which hash passwords. exports: 16 concurrent downloads of the audit log.
readers: the same, but the clients do not read the responses. checks: checks of an endpoint's URL that never responds.
bodies: requests whose body arrives byte by byte, with and without a key. events: batches of 100 events for 120
endpoints. redis: Redis accepts connections and never responds. The exit code is 1 if the p99 is over --most (or twice
that for redis), or if a request of the other organization failed.

--database: a PostgreSQL scratch database, in which a schema is created and dropped; the default is SQLite.
"""

import argparse
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.deliveries import DeliverySetup, percentile, schema
from benchmarks.processes import (
    LOOPBACK,
    ROOT,
    BenchmarkFailed,
    Server,
    free_port,
    get,
    minimal_environment,
    parse_options,
    process_group,
)

TYPE = "order.created"
ENDPOINTS, EVENTS, USERS = 120, 100, 100
WEB_PROCESSES, WEB_THREADS = 2, 4
UNLIMITED = "1000000000"
PER_SECOND = 20.0
SETTLE_SECONDS = 2.0
NGINX = """
daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx-error.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
    access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen {host}:{port}; client_max_body_size 1m; client_body_timeout 15s;
        location / {{
            proxy_pass http://{host}:{behind}; proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto http;
            proxy_next_upstream off;
        }}
    }}
}}
"""


class IsolationSetup:
    """The portal of a run with a noisy organization and a quiet one."""

    def __init__(self, setup: DeliverySetup, options: argparse.Namespace) -> None:
        self.setup = setup
        self.seconds = options.seconds
        paths = [[f"/ok{number}", TYPE] for number in range(ENDPOINTS)]
        setup.step("endpoints", organizations=1, paths=paths, url=f"http://{LOOPBACK}:{setup.port}")
        setup.step("changes", count=options.changes)
        self.cookie = setup.step("sign_in", people=1)["cookies"][0]
        command = ["create_organization", "--name", "Quiet", "--slug", "quiet", "--owner-email", "ada@quiet.example"]
        self.manage(*command)
        self.noisy, self.quiet = self.headers("bench0", "admin"), self.headers("quiet", "users:read")
        environment = {**self.environment(), "WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8"}
        application = "integrations_portal.wsgi:application"
        self.web = setup.group.serve("web", application, environment, WEB_PROCESSES, WEB_THREADS)
        for number in range(2):
            setup.group.start(f"worker{number}", [sys.executable, "manage.py", "worker"], environment)
        if options.nginx:
            self.web = self.behind_nginx(self.web)
        self.counts: Counter[str] = Counter()

    def environment(self) -> dict[str, str]:
        """Return the environment variables of all processes."""
        redis = {"REDIS_URL": self.setup.redis} if self.setup.redis else {}
        return {**self.setup.environment(self.setup.redis), **redis, "TRUSTED_PROXIES": LOOPBACK}

    def manage(self, *command: str) -> str:
        """Run a management command of the portal and return its output."""
        return self.setup.group.run(["manage.py", *command], self.environment())

    def headers(self, organization: str, scopes: str) -> dict[str, str]:
        """Create a key that is practically unlimited, and return the headers of its requests."""
        command = ["create_api_key", "--org", organization, "--type", "internal", "--name", "Bench", "--scopes", scopes]
        limits = ["--per-minute", UNLIMITED, "--per-hour", UNLIMITED, "--json"]
        key = json.loads(self.manage(*command, *limits))["key"]
        return {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "X-Forwarded-For": "203.0.113.7"}

    def behind_nginx(self, web: Server) -> Server:
        """Start an nginx in front of the web processes, configured as in docs/run.md."""
        if shutil.which("nginx") is None:
            raise BenchmarkFailed("--nginx: nginx is not installed")
        folder, port = self.setup.group.folder, free_port()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, host=LOOPBACK, port=port, behind=web.port))
        child = self.setup.group.start("nginx", ["nginx", "-c", str(folder / "nginx.conf")], dict(os.environ))
        self.setup.group.wait_until(lambda: get(port, "/healthz").status > 0, "nginx did not start", child)
        return Server("nginx", port, child)

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"", timeout: float = 60) -> Any:
        """Send one request and count its status, or 0 if there was no response."""
        connection = http.client.HTTPConnection(LOOPBACK, self.web.port, timeout=timeout)
        status, answer = 0, b""
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            answer, status = response.read(), response.status
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        self.counts[str(status)] += 1
        return status, answer


Workload = Callable[[IsolationSetup, threading.Event, int], None]


def batches(isolation: IsolationSetup, stop: threading.Event, worker: int) -> None:
    """Create users in batches of 100, one after the other."""
    number = 0
    while not stop.is_set():
        people = [
            {"name": f"User {n}", "email": f"u{worker}-{number}-{n}@bench.example", "password": "a long password"}
            for n in range(USERS)
        ]
        number += 1
        if isolation.ask("POST", "/v1/users/batch", isolation.noisy, json.dumps({"users": people}).encode())[0] == 429:
            stop.wait(1.0)


def exports(isolation: IsolationSetup, stop: threading.Event, _worker: int) -> None:
    """Download the whole audit log repeatedly."""
    while not stop.is_set():
        if isolation.ask("GET", "/v1/audit-log/export?format=csv", isolation.noisy)[0] == 429:
            stop.wait(1.0)


def readers(isolation: IsolationSetup, stop: threading.Event, _worker: int) -> None:
    """Request the whole audit log and read only the start of the response."""
    while not stop.is_set():
        with suppress(OSError), socket.create_connection((LOOPBACK, isolation.web.port), timeout=10) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(request_head("GET", "/v1/audit-log/export?format=csv", isolation.noisy))
            isolation.counts[connection.recv(64)[9:12].decode() or "0"] += 1
            stop.wait(60.0)


def checks(isolation: IsolationSetup, stop: threading.Event, _worker: int) -> None:
    """Check an endpoint's URL that never responds, with the button of the form."""
    path = "/o/bench0/settings/integration/webhooks/create/"
    pages = {"Cookie": isolation.cookie, "X-Forwarded-For": "203.0.113.7"}
    connection = http.client.HTTPConnection(LOOPBACK, isolation.web.port, timeout=60)
    connection.request("GET", path, headers=pages)
    answer = connection.getresponse()
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', answer.read())
    cookies = "; ".join(each.partition(";")[0] for each in answer.headers.get_all("set-cookie", ()))
    url = f"http%3A%2F%2F{LOOPBACK}%3A{isolation.setup.port}%2Fhang"
    text = f"csrfmiddlewaretoken={token[1].decode() if token else ''}&check=1&url={url}"
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{LOOPBACK}:8000"}
    while not stop.is_set():
        isolation.ask("POST", path, {**pages, **kind, "Cookie": cookies}, text.encode())
        stop.wait(0.2)


def bodies(isolation: IsolationSetup, stop: threading.Event, worker: int) -> None:
    """Send the body of a request byte by byte; every second worker sends no key."""
    headers = {**(isolation.noisy if worker % 2 else {"Content-Type": "application/json"}), "Content-Length": "1000"}
    path = ("/v1/events", "/v1/users", "/accounts/login/", "/v1/nothing")[worker % 4]
    while not stop.is_set():
        with suppress(OSError), socket.create_connection((LOOPBACK, isolation.web.port), timeout=30) as connection:
            connection.sendall(request_head("POST", path, headers))
            connection.settimeout(0.5)
            while not stop.is_set():
                connection.sendall(b" ")
                with suppress(TimeoutError):
                    isolation.counts[connection.recv(64)[9:12].decode() or "0"] += 1
                    break


def events(isolation: IsolationSetup, stop: threading.Event, worker: int) -> None:
    """Publish batches of 100 events, each for 120 endpoints."""
    number = 0
    while not stop.is_set():
        data = {"order_id": "ORD-7", "status": "placed"}
        batch = [{"type": TYPE, "data": data, "id": f"e{worker}-{number}-{n}"} for n in range(EVENTS)]
        number += 1
        isolation.ask("POST", "/v1/events/batch", isolation.noisy, json.dumps({"events": batch}).encode())


def redis(isolation: IsolationSetup, stop: threading.Event, _worker: int) -> None:
    """Freeze Redis, so that it accepts connections and never responds."""
    server = next(child for child in isolation.setup.group.children if child.log.name == "redis.log")
    server.freeze()
    stop.wait()
    os.killpg(server.process.pid, signal.SIGCONT)


PARTS: dict[str, tuple[Workload, int]] = {
    "batches": (batches, 8),
    "exports": (exports, 16),
    "readers": (readers, 16),
    "checks": (checks, 5),
    "bodies": (bodies, 16),
    "events": (events, 4),
    "redis": (redis, 1),
}


def request_head(method: str, path: str, headers: dict[str, str]) -> bytes:
    """Return the request line and headers of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {LOOPBACK}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def running_workload(isolation: IsolationSetup, part: str):
    """Run the noisy organization's workload in the threads of the part."""
    stop, (work, threads) = threading.Event(), PARTS[part]
    running = [threading.Thread(target=work, args=(isolation, stop, number), daemon=True) for number in range(threads)]
    for each in running:
        each.start()
    try:
        yield
    finally:
        stop.set()
        for each in running:
            each.join(70)


def measure_latency(port: int, headers: dict[str, str], seconds: float) -> dict[str, Any]:
    """Request ``/v1/me`` at a steady rate, each time on a new connection, and return the latencies.

    A late response does not delay later requests, so a standstill of the server counts in full.
    """
    durations: list[float] = []
    statuses: Counter[str] = Counter()

    def once(due: float) -> None:
        answer = get(port, "/v1/me", headers)
        statuses[str(answer.status)] += 1
        durations.append(time.monotonic() - due)

    started, running = time.monotonic(), []
    for number in range(int(seconds * PER_SECOND)):
        due = started + number / PER_SECOND
        time.sleep(max(0.0, due - time.monotonic()))
        running.append(threading.Thread(target=once, args=(due,)))
        running[-1].start()
    for each in running:
        each.join(30)
    measurements = {
        "p50_ms": percentile(durations, 0.5) * 1000,
        "p99_ms": percentile(durations, 0.99) * 1000,
        "n": len(durations),
    }
    return {**measurements, "max_ms": max(durations) * 1000, "statuses": dict(statuses)}


def measure_in_subprocess(isolation: IsolationSetup) -> dict[str, Any]:
    """Call ``measure_latency`` in a separate process, so that the threads of this one do not delay it."""
    arguments = json.dumps({"port": isolation.web.port, "headers": isolation.quiet, "seconds": isolation.seconds})
    command = [sys.executable, "-m", "benchmarks.isolation", "watch"]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=minimal_environment(),
        input=arguments,
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    return json.loads(done.stdout)


def measure(isolation: IsolationSetup, parts: list[str]) -> dict[str, dict[str, Any]]:
    """Measure the latency of the quiet organization alone, then during each part."""
    found = {"alone": measure_in_subprocess(isolation)}
    for part in parts:
        if part == "redis" and not isolation.setup.redis:
            continue
        isolation.counts.clear()
        with running_workload(isolation, part):
            time.sleep(SETTLE_SECONDS)
            found[part] = {**measure_in_subprocess(isolation), "answered": dict(isolation.counts)}
    return found


def show(found: dict[str, dict[str, Any]]) -> None:
    for part, each in found.items():
        measurements = "".join(f"  {name} {each[name]:7.0f}" for name in ("p50_ms", "p99_ms", "max_ms"))
        print(f"{part:<10}{measurements}   answered {each['statuses']}   the noisy one {each.get('answered', {})}")


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--database", default="", metavar="URL")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each part")
    parser.add_argument("--changes", type=int, default=50_000, help="rows of the audit log that is exported")
    parser.add_argument("--only", default=",".join(PARTS), metavar="PART,PART")
    parser.add_argument("--most", type=float, default=500.0, help="ms at the 99th percentile")
    parser.add_argument("--nginx", action="store_true", help="behind an nginx of this run's own")
    parser.add_argument("--json", action="store_true")
    # Without events, which on SQLite would occupy the single writer also during the following parts.
    few = "batches,exports,readers,checks,bodies"
    options = parse_options(parser, seconds=3.0, changes=5_000, most=5_000.0, only=few)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(schema(options.database))
        setup = DeliverySetup(stack.enter_context(process_group(Path(folder))), options.database)
        found = measure(IsolationSetup(setup, options), options.only.split(","))
    print(json.dumps(found, indent=2)) if options.json else show(found)
    late = [part for part, each in found.items() if each["p99_ms"] > options.most * (2 if part == "redis" else 1)]
    wrong = [part for part, each in found.items() if set(each["statuses"]) != {"200"}]
    print(f"over {options.most:.0f} ms: {late or 'none'}; not all 200: {wrong or 'none'}", file=sys.stderr)
    if found.get("checks", {}).get("answered", {}).keys() - {"200", "422", "429"}:
        raise BenchmarkFailed(f"the form of an endpoint answered {found['checks']['answered']}")
    return 1 if late or wrong else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["watch"]:
        print(json.dumps(measure_latency(**json.load(sys.stdin))))
    else:
        sys.exit(main())

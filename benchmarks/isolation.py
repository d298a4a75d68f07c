"""What the others wait while one organization does its worst within its limits: p99 of another one's ``GET /v1/me``.

    .venv/bin/python benchmarks/isolation.py [--database URL] [--seconds N] [--only PART,PART] [--nginx] [--json]

Two web processes as docs/run.md starts them, two workers, a Redis of this run's own where redis-server is installed.
batches: users in batches of 100, which hash passwords. exports: 16 downloads of the audit log at once. readers: the
same, and nobody reads. checks: an endpoint's URL that never answers. bodies: requests whose body comes byte by byte,
with a key and without. events: batches of 100 events for 120 endpoints. redis: Redis accepts and never answers. Exit
code 1 where the p99 is over --most (with a silent Redis over twice that), or one of the others' requests was refused.

--database: a PostgreSQL scratch database, in which a schema is made and dropped; else SQLite.
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

from benchmarks.deliveries import Stage, percentile, schema
from benchmarks.processes import HOST, ROOT, Failed, Server, free_port, get, parse_options, plain_environment, scene

TYPE = "order.created"
ENDPOINTS, EVENTS, USERS = 120, 100, 100
WEB_PROCESSES, WEB_THREADS = 2, 4
NO_LIMIT_IN_SIGHT = "1000000000"
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


class Around:
    """The portal of a run, the organization that does its worst, and the one that only asks who it is."""

    def __init__(self, stage: Stage, options: argparse.Namespace) -> None:
        self.stage = stage
        self.seconds = options.seconds
        paths = [[f"/ok{number}", TYPE] for number in range(ENDPOINTS)]
        stage.step("endpoints", organizations=1, paths=paths, url=f"http://{HOST}:{stage.port}")
        stage.step("changes", count=options.changes)
        self.cookie = stage.step("sign_in", people=1)["cookies"][0]
        words = ["create_organization", "--name", "Quiet", "--slug", "quiet", "--owner-email", "ada@quiet.example"]
        self.manage(*words)
        self.loud, self.quiet = self.headers("bench0", "admin"), self.headers("quiet", "users:read")
        environment = {**self.environment(), "WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8"}
        application = "integrations_portal.wsgi:application"
        self.web = stage.scene.serve("web", application, environment, WEB_PROCESSES, WEB_THREADS)
        for number in range(2):
            stage.scene.start(f"worker{number}", [sys.executable, "manage.py", "worker"], environment)
        if options.nginx:
            self.web = self.behind_nginx(self.web)
        self.counts: Counter[str] = Counter()

    def environment(self) -> dict[str, str]:
        """Return the configuration of every process."""
        redis = {"REDIS_URL": self.stage.redis} if self.stage.redis else {}
        return {**self.stage.environment(self.stage.redis), **redis, "TRUSTED_PROXIES": HOST}

    def manage(self, *words: str) -> str:
        """Run a command of the portal and return what it printed."""
        return self.stage.scene.run(["manage.py", *words], self.environment())

    def headers(self, organization: str, scopes: str) -> dict[str, str]:
        """Make a key without a limit in sight, and return the headers of its requests."""
        words = ["create_api_key", "--org", organization, "--type", "internal", "--name", "Bench", "--scopes", scopes]
        limits = ["--per-minute", NO_LIMIT_IN_SIGHT, "--per-hour", NO_LIMIT_IN_SIGHT, "--json"]
        key = json.loads(self.manage(*words, *limits))["key"]
        return {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "X-Forwarded-For": "203.0.113.7"}

    def behind_nginx(self, web: Server) -> Server:
        """Put an nginx of this run's own before the web processes, set as docs/run.md sets it."""
        if shutil.which("nginx") is None:
            raise Failed("--nginx: nginx is not installed")
        folder, port = self.stage.scene.folder, free_port()
        (folder / "nginx.conf").write_text(NGINX.format(folder=folder, host=HOST, port=port, behind=web.port))
        child = self.stage.scene.start("nginx", ["nginx", "-c", str(folder / "nginx.conf")], dict(os.environ))
        self.stage.scene.wait_until(lambda: get(port, "/healthz").status > 0, "nginx did not start", child)
        return Server("nginx", port, child)

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes = b"", timeout: float = 60) -> Any:
        """Make one request and count what came of it; a silent end is counted as 0."""
        link = http.client.HTTPConnection(HOST, self.web.port, timeout=timeout)
        status, answer = 0, b""
        try:
            link.request(method, path, body or None, headers)
            response = link.getresponse()
            answer, status = response.read(), response.status
        except (OSError, http.client.HTTPException):
            pass
        finally:
            link.close()
        self.counts[str(status)] += 1
        return status, answer


Worst = Callable[[Around, threading.Event, int], None]


def batches(around: Around, stop: threading.Event, worker: int) -> None:
    """Make users in batches of 100, one after the other."""
    number = 0
    while not stop.is_set():
        people = [
            {"name": f"User {n}", "email": f"u{worker}-{number}-{n}@bench.example", "password": "a long password"}
            for n in range(USERS)
        ]
        number += 1
        if around.ask("POST", "/v1/users/batch", around.loud, json.dumps({"users": people}).encode())[0] == 429:
            stop.wait(1.0)


def exports(around: Around, stop: threading.Event, _worker: int) -> None:
    """Download the whole audit log, again and again."""
    while not stop.is_set():
        if around.ask("GET", "/v1/audit-log/export?format=csv", around.loud)[0] == 429:
            stop.wait(1.0)


def readers(around: Around, stop: threading.Event, _worker: int) -> None:
    """Ask for the whole audit log, read its head, and then nothing more."""
    while not stop.is_set():
        with suppress(OSError), socket.create_connection((HOST, around.web.port), timeout=10) as link:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            link.sendall(head("GET", "/v1/audit-log/export?format=csv", around.loud))
            around.counts[link.recv(64)[9:12].decode() or "0"] += 1
            stop.wait(60.0)


def checks(around: Around, stop: threading.Event, _worker: int) -> None:
    """Check an endpoint's URL that never answers, by the form's own button."""
    path = "/o/bench0/settings/integration/webhooks/create/"
    pages = {"Cookie": around.cookie, "X-Forwarded-For": "203.0.113.7"}
    link = http.client.HTTPConnection(HOST, around.web.port, timeout=60)
    link.request("GET", path, headers=pages)
    answer = link.getresponse()
    token = re.search(rb'name="csrfmiddlewaretoken" value="(\w+)"', answer.read())
    cookies = "; ".join(each.partition(";")[0] for each in answer.headers.get_all("set-cookie", ()))
    url = f"http%3A%2F%2F{HOST}%3A{around.stage.port}%2Fhang"
    text = f"csrfmiddlewaretoken={token[1].decode() if token else ''}&check=1&url={url}"
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Origin": f"http://{HOST}:8000"}
    while not stop.is_set():
        around.ask("POST", path, {**pages, **kind, "Cookie": cookies}, text.encode())
        stop.wait(0.2)


def bodies(around: Around, stop: threading.Event, worker: int) -> None:
    """Announce a body and send it byte by byte, every second one without a key."""
    headers = {**(around.loud if worker % 2 else {"Content-Type": "application/json"}), "Content-Length": "1000"}
    path = ("/v1/events", "/v1/users", "/accounts/login/", "/v1/nothing")[worker % 4]
    while not stop.is_set():
        with suppress(OSError), socket.create_connection((HOST, around.web.port), timeout=30) as link:
            link.sendall(head("POST", path, headers))
            link.settimeout(0.5)
            while not stop.is_set():
                link.sendall(b" ")
                with suppress(TimeoutError):
                    around.counts[link.recv(64)[9:12].decode() or "0"] += 1
                    break


def events(around: Around, stop: threading.Event, worker: int) -> None:
    """Publish batches of 100 events, each for 120 endpoints."""
    number = 0
    while not stop.is_set():
        data = {"order_id": "ORD-7", "status": "placed"}
        batch = [{"type": TYPE, "data": data, "id": f"e{worker}-{number}-{n}"} for n in range(EVENTS)]
        number += 1
        around.ask("POST", "/v1/events/batch", around.loud, json.dumps({"events": batch}).encode())


def redis(around: Around, stop: threading.Event, _worker: int) -> None:
    """Let Redis accept and never answer."""
    server = next(child for child in around.stage.scene.children if child.log.name == "redis.log")
    server.freeze()
    stop.wait()
    os.killpg(server.process.pid, signal.SIGCONT)


PARTS: dict[str, tuple[Worst, int]] = {
    "batches": (batches, 8),
    "exports": (exports, 16),
    "readers": (readers, 16),
    "checks": (checks, 5),
    "bodies": (bodies, 16),
    "events": (events, 4),
    "redis": (redis, 1),
}


def head(method: str, path: str, headers: dict[str, str]) -> bytes:
    """Write the head of a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


@contextmanager
def at_its_worst(around: Around, part: str):
    """Let the loud organization do its worst in as many threads as the part has."""
    stop, (work, threads) = threading.Event(), PARTS[part]
    running = [threading.Thread(target=work, args=(around, stop, number), daemon=True) for number in range(threads)]
    for each in running:
        each.start()
    try:
        yield
    finally:
        stop.set()
        for each in running:
            each.join(70)


def watch(port: int, headers: dict[str, str], seconds: float) -> dict[str, Any]:
    """Ask ``/v1/me`` at a steady pace, each on a connection of its own, and return how long the answers took.

    Late answers delay no later question: each is asked when it is due, so that a standstill counts in full.
    """
    took: list[float] = []
    statuses: Counter[str] = Counter()

    def once(due: float) -> None:
        answer = get(port, "/v1/me", headers)
        statuses[str(answer.status)] += 1
        took.append(time.monotonic() - due)

    started, running = time.monotonic(), []
    for number in range(int(seconds * PER_SECOND)):
        due = started + number / PER_SECOND
        time.sleep(max(0.0, due - time.monotonic()))
        running.append(threading.Thread(target=once, args=(due,)))
        running[-1].start()
    for each in running:
        each.join(30)
    figures = {"p50_ms": percentile(took, 0.5) * 1000, "p99_ms": percentile(took, 0.99) * 1000, "n": len(took)}
    return {**figures, "max_ms": max(took) * 1000, "statuses": dict(statuses)}


def watched(around: Around) -> dict[str, Any]:
    """Do so in a process of its own, so that this one's threads do not delay it."""
    order = json.dumps({"port": around.web.port, "headers": around.quiet, "seconds": around.seconds})
    words = [sys.executable, "-m", "benchmarks.isolation", "watch"]
    done = subprocess.run(
        words, cwd=ROOT, env=plain_environment(), input=order, capture_output=True, text=True, timeout=300, check=True
    )
    return json.loads(done.stdout)


def measure(around: Around, parts: list[str]) -> dict[str, dict[str, Any]]:
    """Measure the quiet organization alone, then beside each part."""
    found = {"alone": watched(around)}
    for part in parts:
        if part == "redis" and not around.stage.redis:
            continue
        around.counts.clear()
        with at_its_worst(around, part):
            time.sleep(SETTLE_SECONDS)
            found[part] = {**watched(around), "answered": dict(around.counts)}
    return found


def show(found: dict[str, dict[str, Any]]) -> None:
    """Print the table."""
    for part, each in found.items():
        figures = "".join(f"  {name} {each[name]:7.0f}" for name in ("p50_ms", "p99_ms", "max_ms"))
        print(f"{part:<10}{figures}   answered {each['statuses']}   the loud one {each.get('answered', {})}")


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
    # On SQLite events of this size keep the one writer busy, and what is left of them the parts after.
    few = "batches,exports,readers,checks,bodies"
    options = parse_options(parser, seconds=3.0, changes=5_000, most=5_000.0, only=few)
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        stack.enter_context(schema(options.database))
        stage = Stage(stack.enter_context(scene(Path(folder))), options.database)
        found = measure(Around(stage, options), options.only.split(","))
    print(json.dumps(found, indent=2)) if options.json else show(found)
    late = [part for part, each in found.items() if each["p99_ms"] > options.most * (2 if part == "redis" else 1)]
    wrong = [part for part, each in found.items() if set(each["statuses"]) != {"200"}]
    print(f"over {options.most:.0f} ms: {late or 'none'}; not all 200: {wrong or 'none'}", file=sys.stderr)
    if found.get("checks", {}).get("answered", {}).keys() - {"200", "422", "429"}:
        raise Failed(f"the form of an endpoint answered {found['checks']['answered']}")
    return 1 if late or wrong else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["watch"]:
        print(json.dumps(watch(**json.load(sys.stdin))))
    else:
        sys.exit(main())

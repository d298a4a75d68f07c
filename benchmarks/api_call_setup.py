"""Start what is measured: the portal in three configurations and the rivals, each with a server and a credential."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import (
    BenchmarkFailed,
    ChildProcess,
    ProcessGroup,
    Server,
    get,
    minimal_environment,
    portal_environment,
)

PEOPLE = 20
UNLIMITED = 1_000_000_000
RIVALS = {
    "bare": "bare DRF view, no authentication",
    "token": "DRF TokenAuthentication",
    "api_key": "djangorestframework-api-key",
    "knox": "django-rest-knox",
    "usual": "usual assembly: token, two throttles, log row",
}
PORTALS = {
    "alone": "the portal, without Redis, strict",
    "strict": "the portal, Redis, strict",
    "stream": "the portal, Redis, stream",
}


@dataclass
class Variant:
    """A row of the table: a server with the headers of its requests."""

    name: str
    title: str
    server: Server
    headers: dict[str, str]
    # Processes whose CPU time is added: Redis, and the worker that reads the stream.
    other_processes: list[ChildProcess] = field(default_factory=list)
    key_id: str = ""

    def cpu_seconds(self) -> float:
        """Return the CPU time of all processes of this variant."""
        return sum(child.cpu_seconds() for child in (self.server.child, *self.other_processes))


@dataclass
class ApiCallSetup:
    """The databases and Redis of a run, and the number of processes and threads of each server."""

    group: ProcessGroup
    database: str
    redis_url: str
    redis: list[ChildProcess]
    workers: int
    threads: int

    def url(self, name: str) -> str:
        """Return the URL of the portal's or the rivals' database: a file, or a schema of the PostgreSQL database."""
        if not self.database:
            return f"sqlite:///{self.group.folder}/{name}.sqlite3"
        joint = "&" if "?" in self.database else "?"
        return f"{self.database}{joint}options=-c%20search_path%3Dbenchmark_{name}"

    # The rivals

    def rivals(self) -> list[Variant]:
        """Prepare and start all rivals whose packages are installed."""
        environment = minimal_environment(
            DATABASE_URL=self.url("rivals"),
            REDIS_URL=self.redis_url,
            DJANGO_SETTINGS_MODULE="benchmarks.rivals.settings",
        )
        headers = json.loads(self.group.run(["-m", "benchmarks.rivals.prepare"], environment))
        found = []
        for name, title in RIVALS.items():
            if name not in headers:
                print(f"skipped: {title} is not installed (requirements/bench.txt)")
                continue
            own = {**environment, "BENCH_RIVAL": name}
            server = self.group.serve(name, "benchmarks.rivals.wsgi:application", own, self.workers, self.threads)
            found.append(Variant(name, title, server, headers[name], self.redis if name == "usual" else []))
        return found

    # The portal

    def environment(self, name: str) -> dict[str, str]:
        """Return the environment variables of one configuration of the portal."""
        redis = {} if name == "alone" else {"REDIS_URL": self.redis_url}
        log = "stream" if name == "stream" else "strict"
        folder = Path(self.group.folder)
        return portal_environment(folder, self.url("portal"), API_CALL_LOG=log, AUTH_FAILURES_PER_MINUTE="0", **redis)

    def manage(self, *command: str) -> str:
        """Run a management command of the portal."""
        return self.group.run(["manage.py", *command], self.environment("strict" if self.redis_url else "alone"))

    def make_key(self, scopes: str = "users:read", per_minute: int = UNLIMITED) -> dict[str, str]:
        """Create a key with two rate limits, by default practically unlimited."""
        command = ["create_api_key", "--org", "acme", "--type", "internal", "--name", "Benchmark", "--scopes", scopes]
        limits = ["--per-minute", str(per_minute), "--per-hour", str(UNLIMITED), "--json"]
        return json.loads(self.manage(*command, *limits))

    def portals(self) -> list[Variant]:
        """Prepare the portal and start it in all configurations, or only in the one without Redis if there is none."""
        self.manage("migrate", "--verbosity", "0")
        email = "ada@acme.example"
        self.manage("create_organization", "--name", "Acme", "--slug", "acme", "--owner-email", email)
        if not self.redis_url:
            print("skipped: the portal with Redis (redis-server is not installed, and no --redis was given)")
        names = list(PORTALS) if self.redis_url else ["alone"]
        found = [self._portal(name) for name in names]
        self._people(found[0].server.port)
        return found

    def _portal(self, name: str) -> Variant:
        key = self.make_key()
        other_processes = [] if name == "alone" else [*self.redis]
        if name == "stream":
            command = [sys.executable, "manage.py", "worker"]
            other_processes.append(self.group.start("worker", command, self.environment(name)))
        server = self.group.serve(
            name, "integrations_portal.wsgi:application", self.environment(name), self.workers, self.threads
        )
        return Variant(
            name, PORTALS[name], server, {"Authorization": f"Bearer {key['key']}"}, other_processes, key["id"]
        )

    def _people(self, port: int) -> None:
        headers = {"Authorization": f"Bearer {self.make_key('admin')['key']}", "Content-Type": "application/json"}
        for number in range(PEOPLE - 1):  # the owner is the twentieth user
            body = {"name": f"User {number}", "email": f"u{number}@acme.example", "password": "a long password"}
            answer = get(port, "/v1/users", headers, "POST", json.dumps(body).encode())
            if answer.status != 201:
                raise BenchmarkFailed(f"a user could not be made: {answer.status} {answer.body!r}")

"""What is measured: the portal in its three ways and the rivals, each with a server and a credential of its own."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.processes import Child, Failed, Scene, Server, get, plain_environment, portal_environment

PEOPLE = 20
NO_LIMIT_IN_SIGHT = 1_000_000_000
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
    """One row of the table."""

    name: str
    title: str
    server: Server
    headers: dict[str, str]
    # Whose processor time counts too: Redis, and the worker that drains the stream.
    beside: list[Child] = field(default_factory=list)
    key_id: str = ""

    def cpu_seconds(self) -> float:
        """Return the processor time of everything that works for this variant."""
        return sum(child.cpu_seconds() for child in (self.server.child, *self.beside))


@dataclass
class Stage:
    """The databases, the Redis and the shape of every server of a run."""

    scene: Scene
    database: str
    redis_url: str
    redis: list[Child]
    workers: int
    threads: int

    def url(self, name: str) -> str:
        """Return the database of one side: a file, or a schema of the given PostgreSQL database."""
        if not self.database:
            return f"sqlite:///{self.scene.folder}/{name}.sqlite3"
        joint = "&" if "?" in self.database else "?"
        return f"{self.database}{joint}options=-c%20search_path%3Dbenchmark_{name}"

    # The rivals

    def rivals(self) -> list[Variant]:
        """Prepare and start every rival whose package is installed."""
        environment = plain_environment(
            DATABASE_URL=self.url("rivals"),
            REDIS_URL=self.redis_url,
            DJANGO_SETTINGS_MODULE="benchmarks.rivals.settings",
        )
        headers = json.loads(self.scene.run(["-m", "benchmarks.rivals.prepare"], environment))
        found = []
        for name, title in RIVALS.items():
            if name not in headers:
                print(f"skipped: {title} is not installed (requirements/bench.txt)")
                continue
            own = {**environment, "BENCH_RIVAL": name}
            server = self.scene.serve(name, "benchmarks.rivals.wsgi:application", own, self.workers, self.threads)
            found.append(Variant(name, title, server, headers[name], self.redis if name == "usual" else []))
        return found

    # The portal

    def environment(self, name: str) -> dict[str, str]:
        """Return the configuration of one of the portal's ways."""
        redis = {} if name == "alone" else {"REDIS_URL": self.redis_url}
        log = "stream" if name == "stream" else "strict"
        folder = Path(self.scene.folder)
        return portal_environment(folder, self.url("portal"), API_CALL_LOG=log, AUTH_FAILURES_PER_MINUTE="0", **redis)

    def manage(self, *words: str) -> str:
        """Run a command of the portal."""
        return self.scene.run(["manage.py", *words], self.environment("strict" if self.redis_url else "alone"))

    def make_key(self, scopes: str = "users:read", per_minute: int = NO_LIMIT_IN_SIGHT) -> dict[str, str]:
        """Make a key with two windows, wide ones unless said otherwise."""
        words = ["create_api_key", "--org", "acme", "--type", "internal", "--name", "Benchmark", "--scopes", scopes]
        limits = ["--per-minute", str(per_minute), "--per-hour", str(NO_LIMIT_IN_SIGHT), "--json"]
        return json.loads(self.manage(*words, *limits))

    def portals(self) -> list[Variant]:
        """Prepare the portal and start it in each way that this machine allows."""
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
        beside = [] if name == "alone" else [*self.redis]
        if name == "stream":
            words = [sys.executable, "manage.py", "worker"]
            beside.append(self.scene.start("worker", words, self.environment(name)))
        server = self.scene.serve(
            name, "integrations_portal.wsgi:application", self.environment(name), self.workers, self.threads
        )
        return Variant(name, PORTALS[name], server, {"Authorization": f"Bearer {key['key']}"}, beside, key["id"])

    def _people(self, port: int) -> None:
        headers = {"Authorization": f"Bearer {self.make_key('admin')['key']}", "Content-Type": "application/json"}
        for number in range(PEOPLE - 1):  # the owner is the twentieth
            body = {"name": f"User {number}", "email": f"u{number}@acme.example", "password": "a long password"}
            answer = get(port, "/v1/users", headers, "POST", json.dumps(body).encode())
            if answer.status != 201:
                raise Failed(f"a user could not be made: {answer.status} {answer.body!r}")

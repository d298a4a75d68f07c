"""Measure how much code a reader has to follow: the functions and files of three jobs, and the size of the tree.

    .venv/bin/python benchmarks/code_paths.py [--json] [--calls N] [--only paths|tree] [--quick]

Three jobs run in this process, on a temporary SQLite file and without Redis: once as a warm-up, and then recorded with
``sys.setprofile`` in all threads. The results are the numbers of the portal's functions that were called, of the files
they are in, and of changes of file from one call to the next. Then modules and folders are counted. Jobs are found by
URLs and commands, so that modules can move. The exit code is 1 if a job failed.
"""
# ruff: noqa: PLC0415 - apps can be imported once Django is set up, and that needs the folder of this run.

import argparse
import ast
import importlib
import io
import itertools
import json
import os
import re
import statistics
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import CodeType, FrameType
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.processes import LOOPBACK, ROOT, BenchmarkFailed, parse_options, portal_environment

PRODUCT = ("apps", "integrations_portal")
SLUG, EMAIL = "acme", "ada@acme.example"
CREATE = f"/o/{SLUG}/settings/integration/api-keys/create/"
# Counted as parts of the function around them; since Python 3.12 most have no frame.
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
SHORT_LINES, MAX_ENTRIES = 60, 22
# Modules that Django or a convention finds by name.
BY_NAME = ("apps", "urls", "admin", "__init__")
SIBLINGS = ("apps/api_keys", "apps/sdk_keys")


# Recording


@dataclass
class CodePath:
    """The functions that one job called, in order, in all threads."""

    entered: list[CodeType] = field(default_factory=list)

    @property
    def measurements(self) -> dict[str, int]:
        """The numbers of distinct functions and files, and of changes of file from one call to the next."""
        files = [code.co_filename for code in self.entered]
        return {
            "functions": len(set(self.entered)),
            "files": len(set(files)),
            "changes of file": sum(one != other for one, other in itertools.pairwise(files)),
        }


class Recorder:
    """A profile function for all threads, which records the called functions while ``code_path`` is set."""

    def __init__(self) -> None:
        self.code_path: CodePath | None = None
        self._folders = tuple(f"{ROOT / name}{os.sep}" for name in PRODUCT)

    def install(self) -> None:
        """Profile this thread and all threads that start later."""
        threading.setprofile(self)
        sys.setprofile(self)

    def remove(self) -> None:
        """Stop profiling."""
        threading.setprofile(None)
        sys.setprofile(None)

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call" or self.code_path is None:
            return
        code = frame.f_code
        if code.co_filename.startswith(self._folders) and code.co_name not in COMPREHENSIONS:
            self.code_path.entered.append(code)

    def record(self, job: Callable[[], None]) -> CodePath:
        """Run a job and return the functions that it called."""
        self.code_path = code_path = CodePath()
        try:
            job()
        finally:
            self.code_path = None
        return code_path


# Jobs


class Forms(HTMLParser):
    """The forms of a page, each with the fields that a browser would send if the user changed nothing."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[dict[str, list[str]]] = []
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect hidden fields, text fields and selected options."""
        given = dict(attrs)
        name, value = given.get("name") or "", given.get("value") or ""
        if tag == "form":
            self.forms.append({})
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in given:
            self.forms[-1][self._select] = [value]
        elif tag == "textarea" and name:
            self.forms[-1][name] = [""]
        elif tag == "input" and name and (given.get("type") not in ("checkbox", "radio") or "checked" in given):
            self.forms[-1].setdefault(name, []).append(value)

    def with_field(self, name: str) -> dict[str, list[str]]:
        """Return the form that has a field of this name."""
        return next(form for form in self.forms if name in form)


class Browser:
    """A client that calls the portal's WSGI application as a web server does."""

    def __init__(self, application: Any, **headers: str) -> None:
        self.application, self.headers = application, headers
        self.cookies: SimpleCookie = SimpleCookie()

    def send(self, method: str, path: str, body: bytes = b"", content_type: str = "", **headers: str) -> str:
        """Send one request and return the body of the response; raise BenchmarkFailed unless its status is 2xx."""
        from django.test import RequestFactory

        response: dict[str, Any] = {}

        def start(status: str, answered: list[tuple[str, str]], *_rest: Any) -> None:
            response.update(status=status, headers=answered)

        cookie = {"cookie": self.cookies.output(attrs=[], header="", sep=";").strip()} if self.cookies else {}
        given = {"host": LOOPBACK, **self.headers, **headers, **cookie}
        environ = RequestFactory().generic(method, path, body, content_type or "text/plain", headers=given).environ
        environ["wsgi.input"] = io.BytesIO(body)
        answer = self.application(environ, start)
        text = b"".join(answer).decode()
        if hasattr(answer, "close"):
            answer.close()
        for name, value in response["headers"]:
            if name.lower() == "set-cookie":
                self.cookies.load(value)
        if not response["status"].startswith("2"):
            raise BenchmarkFailed(f"{method} {path}: {response['status']} {text[:500]}")
        return text


def set_up_portal(folder: str) -> Any:
    """Create the database and one organization, and return the portal's WSGI application."""
    own = portal_environment(Path(folder), "", WEBHOOK_ALLOW_CIDRS="127.0.0.0/8")
    os.environ.update({**own, "DJANGO_SETTINGS_MODULE": "integrations_portal.settings"})
    application = importlib.import_module("integrations_portal.wsgi").application
    command("migrate", verbosity=0)
    command("create_organization", name="Acme", slug=SLUG, owner_email=EMAIL)
    return application


def command(*args: str, **options: Any) -> str:
    """Run a management command of the portal and return its output."""
    from django.core.management import call_command

    out = io.StringIO()
    call_command(*args, stdout=out, **options)
    return out.getvalue()


def make_key(*scopes: str) -> str:
    """Create an API key of the organization and return it."""
    args = ["create_api_key", "--org", SLUG, "--type", "internal", "--name", "Code paths", "--scopes", ",".join(scopes)]
    return json.loads(command(*args, "--json"))["key"]


def read_users(application: Any) -> Callable[[], Callable[[], None]]:
    """Prepare ``GET /v1/users`` with a key."""
    client = Browser(application, authorization=f"Bearer {make_key('users:read')}")
    return lambda: lambda: check('"email"' in client.send("GET", "/v1/users"), "no user was listed")


def create_key(application: Any) -> Callable[[], Callable[[], None]]:
    """Prepare the form of a new key; the recorded request submits it and receives the page with the key."""
    browser = Browser(application, accept="text/html")
    browser.cookies = signed_in()

    def prepare() -> Callable[[], None]:
        fields = Forms(browser.send("GET", f"{CREATE}?type=partner")).with_field("name")
        fields |= {"type": ["partner"], "name": ["A key"], "access_users": ["users:read"]}
        body = urlencode(fields, doseq=True).encode()
        kind, origin = "application/x-www-form-urlencoded", f"http://{LOOPBACK}:8000"

        def send() -> None:
            page = browser.send(
                "POST", CREATE, body, kind, host=f"{LOOPBACK}:8000", origin=origin, referer=origin + CREATE
            )
            check(re.search(r"\b[a-z]+_\w{40,}", page) is not None, "the page shows no key")

        return send

    return prepare


def signed_in() -> SimpleCookie:
    """Return the cookies of the owner, who has just signed in with a password."""
    from django.contrib.auth import get_user_model
    from django.test import Client

    client, user = Client(), get_user_model().objects.get(email=EMAIL)
    client.force_login(user)
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time()}]
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    return client.cookies


def deliver(application: Any) -> Callable[[], Callable[[], None]]:
    """Prepare one due delivery; the recorded job claims, sends and records it."""
    received: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            received.append(self.headers["webhook-id"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_words: Any) -> None:
            """Write no log."""

    server = HTTPServer((LOOPBACK, 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command("create_endpoint", "--org", SLUG, "--url", f"http://{LOOPBACK}:{server.server_port}/", "--events", "*")
    client = Browser(application, authorization=f"Bearer {make_key('events:write')}")
    engine = engine_class()

    def prepare() -> Callable[[], None]:
        body = {"type": "order.created", "data": {"order_id": "ORD-1", "status": "placed"}}
        accepted = json.loads(client.send("POST", "/v1/events", json.dumps(body).encode(), "application/json"))

        def work() -> None:
            engine("code-paths").run_until_idle()
            check(received[-1:] == [accepted["id"]], f"the delivery did not come: {received} {accepted}")

        return work

    return prepare


def engine_class() -> Any:
    """Return the class of the delivery engine that ``manage.py worker`` runs."""
    module = importlib.import_module("integrations_portal.management.commands.worker")
    return next(each for each in vars(module).values() if isinstance(each, type) and hasattr(each, "run_until_idle"))


def check(holds: bool, what: str) -> None:
    """Raise BenchmarkFailed if a job failed, as its code path would be too short."""
    if not holds:
        raise BenchmarkFailed(what)


JOBS = {
    "GET /v1/users with a key": read_users,
    "create a key: form to one-time secret": create_key,
    "one delivery: claimed, sent, recorded": deliver,
}


def record_code_paths(calls: int) -> dict[str, dict[str, int]]:
    """Return the medians over ``calls`` recorded runs of each job."""
    recorder, found = Recorder(), {}
    with tempfile.TemporaryDirectory(prefix="code-paths-") as folder:
        application = set_up_portal(folder)
        recorder.install()
        for title, job in JOBS.items():
            prepare = job(application)
            prepare()()
            measurements = [recorder.record(prepare()).measurements for _ in range(calls)]
            found[title] = {
                name: round(statistics.median(each[name] for each in measurements)) for name in measurements[0]
            }
        recorder.remove()
    return found


# Modules and folders


def modules() -> dict[str, Path]:
    """Return the product's modules by dotted name, excluding migrations."""
    found = {}
    for path in sorted(each for package in PRODUCT for each in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "migrations" not in parts:
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imported_by(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the product's modules that a module imports, also inside functions."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in known)
        elif isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*start, *([node.module] if node.module else [])])
            for each in node.names:
                within = f"{base}.{each.name}"
                yield from [within] if within in known else [base] if base in known else []


def short_with_one_importer(known: dict[str, Path]) -> list[str]:
    """Return the short modules that only one other module imports, which could contain them."""
    importers: dict[str, set[str]] = defaultdict(set)
    for name, path in known.items():
        for imported in imported_by(name, path, known):
            importers[imported].add(name)
    return [
        name
        for name, path in known.items()
        if len(importers[name]) == 1
        and len(path.read_text().splitlines()) < SHORT_LINES
        and path.stem not in BY_NAME
        and not {"management", "templatetags"} & set(path.parts)
    ]


def entries() -> dict[str, int]:
    """Return the number of entries of each folder of the product, largest first."""
    hidden = {"__pycache__", "migrations"}
    folders = {path.parent for path in modules().values()}
    counts = {str(each.relative_to(ROOT)): len({one.name for one in each.iterdir()} - hidden) for each in folders}
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def same_names() -> list[str]:
    """Return the file names that the apps of both kinds of keys have in common."""
    found = ({path.relative_to(ROOT / each) for path in modules().values() if path.is_relative_to(ROOT / each)}
             for each in SIBLINGS)  # fmt: skip
    return sorted(str(path) for path in set.intersection(*found) if path.name != "__init__.py")


def tree() -> dict[str, Any]:
    """Return the numbers of modules, lines and folder entries, and how many files contain one word."""
    known = modules()
    texts = [*known.values(), *(ROOT / "templates").rglob("*.html")]
    return {
        "modules": len(known),
        "lines of Python": sum(len(path.read_text().splitlines()) for path in known.values()),
        "files that know “quarantined”": sum("quarantined" in path.read_text().lower() for path in texts),
        f"modules under {SHORT_LINES} lines with one importer": len(short_with_one_importer(known)),
        "files of one name in " + " and ".join(Path(each).name for each in SIBLINGS): len(same_names()),
        f"folders over {MAX_ENTRIES} entries": {each: n for each, n in entries().items() if n > MAX_ENTRIES},
        "the fullest folders": dict(list(entries().items())[:5]),
    }


def show(found: dict[str, Any]) -> None:
    for title, measurements in found.get("paths", {}).items():
        print(f"{title:40} " + " / ".join(f"{value} {name}" for name, value in measurements.items()))
    for title, value in found.get("tree", {}).items():
        listed = ", ".join(f"{name} {count}" for name, count in value.items()) if isinstance(value, dict) else value
        print(f"{title:40} {listed if listed != '' else 'none'}")


def main() -> int:
    """Run the benchmark and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=5, help="recorded calls of each job; the median is shown")
    parser.add_argument("--only", choices=("paths", "tree"))
    parser.add_argument("--json", action="store_true")
    options = parse_options(parser, calls=1)
    found: dict[str, Any] = {}
    try:
        if options.only != "tree":
            found["paths"] = record_code_paths(options.calls)
        if options.only != "paths":
            found["tree"] = tree()
    except BenchmarkFailed as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())

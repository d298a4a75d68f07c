"""How far one reads for a job: functions and files on its way, and what the tree makes of a word or a folder.

    .venv/bin/python benchmarks/walks.py [--json] [--calls N] [--only walks|tree] [--quick]

Three jobs are done once to warm up and then recorded, in this process, on a SQLite file of its own and without Redis:
the functions of ours that are entered (``sys.setprofile`` in every thread), the files they are in, and how often the
file changes from one entered function to the next. Then the tree is counted. Jobs are found by their URLs and commands,
so that modules may move. Exit code 1 where a job was not done.
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

from benchmarks.processes import HOST, ROOT, Failed, parse_options, portal_environment

PRODUCT = ("apps", "integrations_portal")
SLUG, EMAIL = "acme", "ada@acme.example"
CREATE = f"/o/{SLUG}/settings/integration/api-keys/create/"
# Parts of the function around them: most have no frame of their own since Python 3.12.
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
SHORT_LINES, MOST_ENTRIES = 60, 22
# Found by name, by Django or a convention, rather than where they are used.
BY_NAME = ("apps", "urls", "admin", "__init__")
SIBLINGS = ("apps/api_keys", "apps/sdk_keys")


# What is entered


@dataclass
class Walk:
    """What one job entered, in order, on whatever threads."""

    entered: list[CodeType] = field(default_factory=list)

    @property
    def figures(self) -> dict[str, int]:
        """Return the distinct functions and files, and the changes of file from one entry to the next."""
        files = [code.co_filename for code in self.entered]
        return {
            "functions": len(set(self.entered)),
            "files": len(set(files)),
            "changes of file": sum(one != other for one, other in itertools.pairwise(files)),
        }


class Recorder:
    """The profile function of every thread; notes what is entered while a walk is set."""

    def __init__(self) -> None:
        self.walk: Walk | None = None
        self._folders = tuple(f"{ROOT / name}{os.sep}" for name in PRODUCT)

    def install(self) -> None:
        """Listen on this thread and on each that starts from now on."""
        threading.setprofile(self)
        sys.setprofile(self)

    def remove(self) -> None:
        """Listen no more."""
        threading.setprofile(None)
        sys.setprofile(None)

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call" or self.walk is None:
            return
        code = frame.f_code
        if code.co_filename.startswith(self._folders) and code.co_name not in COMPREHENSIONS:
            self.walk.entered.append(code)

    def record(self, job: Callable[[], None]) -> Walk:
        """Do a job and return what it entered."""
        self.walk = walk = Walk()
        try:
            job()
        finally:
            self.walk = None
        return walk


# The jobs


class Forms(HTMLParser):
    """The forms of a page, each with the fields that a browser would send untouched."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[dict[str, list[str]]] = []
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take hidden fields, texts and what is chosen already."""
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

    def having(self, name: str) -> dict[str, list[str]]:
        """Return the one with a field of this name."""
        return next(form for form in self.forms if name in form)


class Browser:
    """Somebody who calls the portal as a web server does, through its WSGI application."""

    def __init__(self, application: Any, **headers: str) -> None:
        self.application, self.headers = application, headers
        self.cookies: SimpleCookie = SimpleCookie()

    def send(self, method: str, path: str, body: bytes = b"", content_type: str = "", **headers: str) -> str:
        """Send one request and return the body of an answer without fault."""
        from django.test import RequestFactory

        told: dict[str, Any] = {}

        def start(status: str, answered: list[tuple[str, str]], *_rest: Any) -> None:
            told.update(status=status, headers=answered)

        cookie = {"cookie": self.cookies.output(attrs=[], header="", sep=";").strip()} if self.cookies else {}
        given = {"host": HOST, **self.headers, **headers, **cookie}
        environ = RequestFactory().generic(method, path, body, content_type or "text/plain", headers=given).environ
        environ["wsgi.input"] = io.BytesIO(body)
        answer = self.application(environ, start)
        text = b"".join(answer).decode()
        if hasattr(answer, "close"):
            answer.close()
        for name, value in told["headers"]:
            if name.lower() == "set-cookie":
                self.cookies.load(value)
        if not told["status"].startswith("2"):
            raise Failed(f"{method} {path}: {told['status']} {text[:500]}")
        return text


def set_up(folder: str) -> Any:
    """Make the database and one organization, and return the portal's WSGI application."""
    own = portal_environment(Path(folder), "", WEBHOOK_ALLOW_CIDRS="127.0.0.0/8")
    os.environ.update({**own, "DJANGO_SETTINGS_MODULE": "integrations_portal.settings"})
    application = importlib.import_module("integrations_portal.wsgi").application
    command("migrate", verbosity=0)
    command("create_organization", name="Acme", slug=SLUG, owner_email=EMAIL)
    return application


def command(*words: str, **options: Any) -> str:
    """Run a command of the portal and return what it printed."""
    from django.core.management import call_command

    out = io.StringIO()
    call_command(*words, stdout=out, **options)
    return out.getvalue()


def make_key(*scopes: str) -> str:
    """Make a key of the organization and return its text."""
    words = ["create_api_key", "--org", SLUG, "--type", "internal", "--name", "Walks", "--scopes", ",".join(scopes)]
    return json.loads(command(*words, "--json"))["key"]


def read_users(application: Any) -> Callable[[], Callable[[], None]]:
    """Prepare ``GET /v1/users`` with a key."""
    client = Browser(application, authorization=f"Bearer {make_key('users:read')}")
    return lambda: lambda: check('"email"' in client.send("GET", "/v1/users"), "no user was listed")


def create_key(application: Any) -> Callable[[], Callable[[], None]]:
    """Prepare the form of a new key, which is sent with the recorded call: from it to the page with the secret."""
    browser = Browser(application, accept="text/html")
    browser.cookies = signed_in()

    def prepare() -> Callable[[], None]:
        fields = Forms(browser.send("GET", f"{CREATE}?type=partner")).having("name")
        fields |= {"type": ["partner"], "name": ["A key"], "access_users": ["users:read"]}
        body = urlencode(fields, doseq=True).encode()
        kind, origin = "application/x-www-form-urlencoded", f"http://{HOST}:8000"

        def send() -> None:
            page = browser.send("POST", CREATE, body, kind, host=f"{HOST}:8000", origin=origin, referer=origin + CREATE)
            check(re.search(r"\b[a-z]+_\w{40,}", page) is not None, "the page shows no key")

        return send

    return prepare


def signed_in() -> SimpleCookie:
    """Return the cookies of the owner, who has just typed the password."""
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
    """Prepare one due delivery, which the recorded call claims, sends and records."""
    received: list[str] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Take it."""
            self.rfile.read(int(self.headers["Content-Length"]))
            received.append(self.headers["webhook-id"])
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_words: Any) -> None:
            """Say nothing."""

    server = HTTPServer((HOST, 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command("create_endpoint", "--org", SLUG, "--url", f"http://{HOST}:{server.server_port}/", "--events", "*")
    client = Browser(application, authorization=f"Bearer {make_key('events:write')}")
    engine = engine_class()

    def prepare() -> Callable[[], None]:
        body = {"type": "order.created", "data": {"order_id": "ORD-1", "status": "placed"}}
        accepted = json.loads(client.send("POST", "/v1/events", json.dumps(body).encode(), "application/json"))

        def work() -> None:
            engine("walks").drain()
            check(received[-1:] == [accepted["id"]], f"the delivery did not come: {received} {accepted}")

        return work

    return prepare


def engine_class() -> Any:
    """Return the delivery engine that ``manage.py worker`` runs, wherever it is defined."""
    module = importlib.import_module("integrations_portal.management.commands.worker")
    return next(each for each in vars(module).values() if isinstance(each, type) and hasattr(each, "drain"))


def check(holds: bool, what: str) -> None:
    """Raise where a job was not done: a walk that ended half-way would look short."""
    if not holds:
        raise Failed(what)


JOBS = {
    "GET /v1/users with a key": read_users,
    "create a key: form to one-time secret": create_key,
    "one delivery: claimed, sent, recorded": deliver,
}


def walks(calls: int) -> dict[str, dict[str, int]]:
    """Return the median figures of so many warm calls of each job."""
    recorder, found = Recorder(), {}
    with tempfile.TemporaryDirectory(prefix="walks-") as folder:
        application = set_up(folder)
        recorder.install()
        for title, job in JOBS.items():
            prepare = job(application)
            prepare()()
            figures = [recorder.record(prepare()).figures for _ in range(calls)]
            found[title] = {name: round(statistics.median(each[name] for each in figures)) for name in figures[0]}
        recorder.remove()
    return found


# The tree


def modules() -> dict[str, Path]:
    """Return the product's modules by their dotted names, migrations left out."""
    found = {}
    for path in sorted(each for package in PRODUCT for each in (ROOT / package).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        if "migrations" not in parts:
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imported_by(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the product's modules that one imports, wherever in it."""
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
    """Return the short modules that one other imports: it could hold them."""
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
    """Return how many entries each folder of the product has, the fullest first."""
    hidden = {"__pycache__", "migrations"}
    folders = {path.parent for path in modules().values()}
    counts = {str(each.relative_to(ROOT)): len({one.name for one in each.iterdir()} - hidden) for each in folders}
    return dict(sorted(counts.items(), key=lambda each: (-each[1], each[0])))


def same_names() -> list[str]:
    """Return the files that both kinds of keys have under one name."""
    found = ({path.relative_to(ROOT / each) for path in modules().values() if path.is_relative_to(ROOT / each)}
             for each in SIBLINGS)  # fmt: skip
    return sorted(str(path) for path in set.intersection(*found) if path.name != "__init__.py")


def tree() -> dict[str, Any]:
    """Return what the tree makes of a word, a folder and a module."""
    known = modules()
    texts = [*known.values(), *(ROOT / "templates").rglob("*.html")]
    return {
        "modules": len(known),
        "lines of Python": sum(len(path.read_text().splitlines()) for path in known.values()),
        "files that know “quarantined”": sum("quarantined" in path.read_text().lower() for path in texts),
        f"modules under {SHORT_LINES} lines with one importer": len(short_with_one_importer(known)),
        "files of one name in " + " and ".join(Path(each).name for each in SIBLINGS): len(same_names()),
        f"folders over {MOST_ENTRIES} entries": {each: n for each, n in entries().items() if n > MOST_ENTRIES},
        "the fullest folders": dict(list(entries().items())[:5]),
    }


def show(found: dict[str, Any]) -> None:
    """Print the figures."""
    for title, figures in found.get("walks", {}).items():
        print(f"{title:40} " + " / ".join(f"{value} {name}" for name, value in figures.items()))
    for title, value in found.get("tree", {}).items():
        listed = ", ".join(f"{name} {count}" for name, count in value.items()) if isinstance(value, dict) else value
        print(f"{title:40} {listed if listed != '' else 'none'}")


def main() -> int:
    """Measure and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=5, help="recorded calls of each job; the median is shown")
    parser.add_argument("--only", choices=("walks", "tree"))
    parser.add_argument("--json", action="store_true")
    options = parse_options(parser, calls=1)
    found: dict[str, Any] = {}
    try:
        if options.only != "tree":
            found["walks"] = walks(options.calls)
        if options.only != "walks":
            found["tree"] = tree()
    except Failed as failure:
        print(f"FAILED: {failure}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        show(found)
    return 0


if __name__ == "__main__":
    sys.exit(main())

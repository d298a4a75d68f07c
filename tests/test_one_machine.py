"""What deploy/ and .env.example make of a clone: files that are its own, and files that browsers keep.

The whole of docs/run.md, as root on a Debian of its own, is followed by tests/test_install.py.
"""

import gzip
import json
import os
import re
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from apps.base.concurrency import heavy_work
from integrations_portal.environment import env_file
from tests import demos
from tests.servers import documented_command, free_port, start

pytestmark = [pytest.mark.clone, pytest.mark.pure]

HOST = "portal.example.com"
PROXY = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.9"}
OTHERS = 0o077


class Machine:
    """A clone that is set up by the file of settings alone, and its web process."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        made = self.run("deploy/new-env", HOST, "dummymail://", "127.0.0.1")
        (folder / ".env").write_text(made)
        self.manage("migrate", "--verbosity", "0")
        self.manage("collectstatic", "--noinput", "--verbosity", "0")
        self.manage("create_organization", "--name", "Acme", "--slug", "acme", "--owner-email", "ada@acme.example")

    def run(self, *words: str) -> str:
        done = subprocess.run(words, cwd=self.folder, env=demos.environment(), capture_output=True, text=True,
                              umask=0o022)  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def manage(self, *words: str) -> str:
        return self.run(sys.executable, "manage.py", *words)

    def start(self):
        words = documented_command(self.port)
        variables = env_file.settings((self.folder / ".env").read_text())
        self.web = start(
            ["env", "-C", str(self.folder), *words], self.folder.parent, "web", demos.environment(**variables)
        )

    def get(self, path: str, **headers: str):
        with suppress(requests.ConnectionError):
            return requests.get(f"{self.url}{path}", headers=PROXY | headers, timeout=10)

    def is_ready(self) -> bool:
        answer = self.get("/readyz")
        return answer is not None and answer.status_code == 200


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    folder = demos.clone_to(tmp_path_factory.mktemp("machine") / "portal")
    assert not (folder / "var").exists()
    machine = Machine(folder)
    machine.start()
    try:
        assert demos.eventually(machine.is_ready), machine.web.log.read_text()
        yield machine
    finally:
        machine.web.kill()


def test_nothing_that_it_writes_is_for_others(machine):
    words = ("--org", "acme", "--type", "partner", "--name", "First", "--scopes", "users:write", "--json")
    key = json.loads(machine.manage("create_api_key", *words))["key"]
    batch = {"users": [{"name": "Mia", "email": "mia@acme.example"}]}
    answer = requests.post(f"{machine.url}/v1/users/batch", json=batch, timeout=30,
                           headers=PROXY | {"Authorization": f"Bearer {key}"})  # fmt: skip
    assert answer.status_code in (200, 201, 207), answer.text
    machine.manage("backup", str(machine.folder / "var/one.backup"))
    found = [path for path in (machine.folder / "var").rglob("*") if machine.folder / "var/static" not in path.parents]
    names = {path.name for path in found}
    assert {"portal.sqlite3", "portal.sqlite3-wal", "portal.sqlite3-shm", "portal.sqlite3.work", "one.backup"} <= names
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in (*found, machine.folder / "var")}
    assert {name: mode for name, mode in modes.items() if int(mode, 8) & OTHERS} == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who alone gives files away")
def test_what_root_types_locks_nobody_out(tmp_path):
    database = tmp_path / "root.sqlite3"
    database.touch()
    os.chown(database, 12345, 12346)
    os.close(heavy_work._lock_file.__wrapped__(f"{database}.work"))
    made = Path(f"{database}.work").stat()
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (12345, 12346, 0o600)


def test_browsers_keep_static_files_and_get_them_compressed(machine):
    page = machine.get("/account/login/").text
    paths = re.findall(r'(?:src|href)="(/static/[^"]+\.(?:css|js))"', page)
    assert len(paths) >= 4
    for path in paths:
        assert re.search(r"\.[0-9a-f]{12}\.(css|js)$", path), path
        answer = machine.get(path, **{"Accept-Encoding": "gzip"})
        assert answer.status_code == 200 and "immutable" in answer.headers["Cache-Control"], path
        assert int(re.search(r"max-age=(\d+)", answer.headers["Cache-Control"])[1]) >= 31_536_000
        assert answer.headers.get("Content-Encoding") == "gzip" or len(gzip.compress(answer.content)) > 0.95 * len(
            answer.content
        )
    plain = machine.get("/static/css/portal.css")
    assert plain.status_code == 200 and "immutable" not in plain.headers["Cache-Control"]


def test_settings_that_sed_would_misread_are_refused():
    for words in (("a", "b"), ("portal.example.com", "smtp://u:p&w@h", "127.0.0.1"), ("a|b", "", "127.0.0.1")):
        done = subprocess.run([str(env_file.FILE.parent / "deploy/new-env"), *words], capture_output=True, text=True)
        assert done.returncode == 2 and done.stderr and not done.stdout

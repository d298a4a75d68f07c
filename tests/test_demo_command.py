"""`manage.py demo`: what it prints, what it keeps from start to start, and how it ends."""

import os
import re
import signal
import socket
import sqlite3

import pytest
import requests

from tests import demos

pytestmark = [pytest.mark.clone, pytest.mark.pure]
SECOND_START_SECONDS = 6  # three on a machine that does nothing else


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    return demos.clone_to(tmp_path_factory.mktemp("demo") / "clone")


def me(demo, key):
    return requests.get(f"{demo.url}/v1/me", headers={"Authorization": f"Bearer {key}"}, timeout=10)


def test_a_taken_port_is_named_before_anything_starts(tmp_path):
    folder = demos.clone_to(tmp_path / "clone")
    for offset, whose in ((0, "portal"), (1, "webhook receiver")):
        port = demos.free_ports()
        with socket.create_server(("127.0.0.1", port + offset)):
            done = demos.manage(folder, "demo", "--json", "--port", str(port))
        assert (done.returncode, done.stdout) == (1, "")
        assert f"Port {port + offset} for the {whose} cannot be used" in done.stderr and "--port" in done.stderr
        assert "Traceback" not in done.stderr
    assert not (folder / "var/demo.sqlite3").exists()


def test_the_first_start_fills_and_the_second_one_reuses(clone, tmp_path):
    theirs = tmp_path / "theirs.sqlite3"
    with demos.running(clone, demos.free_ports(), DATABASE_URL=f"sqlite:///{theirs}") as first:
        assert "DATABASE_URL of the environment is left alone" in first.told
        assert not theirs.exists()
        roles = sorted((each["organization"], each["role"]) for each in first.json["logins"])
        assert roles == [
            ("acme", "admin"), ("acme", "developer"), ("acme", "owner"), ("acme", "viewer"),
            ("platform", "operator"), ("rival", "owner"),
        ]  # fmt: skip
        body = me(first, first.key).json()
        assert (body["organization"]["slug"], body["key"]["type"], body["key"]["name"]) == (
            "acme",
            "partner",
            "Demo key",
        )
        answers_by_name_and_by_address(first)
        assert first.stop(signal.SIGTERM) == 0
    rows = counted(clone)
    port = demos.free_ports()
    with demos.running(clone, port) as second:
        print(f"\nserving {first.seconds:.1f} s after the first start, {second.seconds:.1f} s after the second")
        assert second.key == first.key and me(second, second.key).status_code == 200
        headers = {"Authorization": f"Bearer {second.key}"}
        endpoints = requests.get(f"{second.url}/v1/webhook-endpoints", headers=headers, timeout=10).json()
        assert f"http://127.0.0.1:{port + 1}/hook" in [each["url"] for each in endpoints]
        again = demos.manage(clone, "demo", "--port", str(demos.free_ports()))
        assert again.returncode == 1 and f"running already, on port {port}" in again.stderr
        assert second.stop() == 0
    assert counted(clone) == rows
    if os.getloadavg()[0] < (os.cpu_count() or 1):
        assert second.seconds < SECOND_START_SECONDS


def answers_by_name_and_by_address(demo):
    """It names itself, for browsers keep passkeys for names only; by address pages, forms and API answer too."""
    assert demo.url == f"http://localhost:{demo.port}"
    for url in (demo.url, f"http://127.0.0.1:{demo.port}"):
        browser = requests.Session()
        page = browser.get(f"{url}/account/login/", timeout=10)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)[1]
        login = {"login": demo.login("owner")["email"], "password": demo.login("owner")["password"]}
        answer = browser.post(f"{url}/account/login/", {**login, "csrfmiddlewaretoken": token},
                              headers={"Origin": url, "Referer": page.url}, timeout=10)  # fmt: skip
        assert answer.url == f"{url}/o/acme/settings/integration/", answer.text
        problem = requests.get(f"{url}/v1/me", timeout=10).json()
        assert problem["docs"] == f"{demo.url}/docs/errors#missing_api_key"


def counted(folder):
    """Count what only seeding makes."""
    with sqlite3.connect(folder / "var/demo.sqlite3") as database:
        tables = ("orgs_user", "orgs_organization", "webhooks_endpoint")
        return [database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]


def test_help_installs_nothing_and_writes_nothing(tmp_path):
    folder = demos.clone_to(tmp_path / "clone")
    before = sorted(folder.rglob("*"))
    for words in (["demo", "--help"], ["worker", "--help"], ["help", "create_api_key"], []):
        done = demos.manage(folder, *words, PYTHONDONTWRITEBYTECODE="1")
        assert done.returncode == 0 and ("usage: manage.py" in done.stdout or "Available" in done.stdout), (words, done)
    assert sorted(folder.rglob("*")) == before


def test_a_slip_on_the_command_line_is_named_before_anything_starts(tmp_path):
    folder = demos.clone_to(tmp_path / "clone")
    for words, says in ((["--prot", "9000"], "--prot"), (["--port", "65535"], "65533"), (["--port", "x"], "--port")):
        done = demos.manage(folder, "demo", *words)
        assert done.returncode == 2 and says in done.stderr.splitlines()[-1]
    assert not (folder / "var").exists()


def test_reset_starts_over(clone):
    with demos.running(clone, demos.free_ports()) as before:
        assert before.stop() == 0
    with demos.running(clone, demos.free_ports(), "--reset") as after:
        assert me(after, before.key).json()["code"] == "invalid_api_key"
        assert me(after, after.key).status_code == 200

"""`manage.py demo`: what it prints, what it keeps from start to start, and how it ends."""

import os
import signal
import socket
import sqlite3
import sys

import pytest
import requests

from tests import demos

pytestmark = [pytest.mark.clone, pytest.mark.pure]
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
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
        assert first.stop(signal.SIGTERM) == 0
    rows = counted(clone)
    port = demos.free_ports()
    with demos.running(clone, port) as second:
        print(f"\nserving {first.seconds:.1f} s after the first start, {second.seconds:.1f} s after the second")
        assert me(second, first.key).json()["code"] == "revoked_api_key"
        assert me(second, second.key).status_code == 200
        headers = {"Authorization": f"Bearer {second.key}"}
        endpoints = requests.get(f"{second.url}/v1/webhook-endpoints", headers=headers, timeout=10).json()
        assert f"http://127.0.0.1:{port + 1}/hook" in [each["url"] for each in endpoints]
        again = demos.manage(clone, "demo", "--port", str(demos.free_ports()))
        assert again.returncode == 1 and f"running already, on port {port}" in again.stderr
        assert second.stop() == 0
    assert counted(clone) == rows
    if os.getloadavg()[0] < (os.cpu_count() or 1):
        assert second.seconds < SECOND_START_SECONDS


def counted(folder):
    """Count what only seeding makes."""
    with sqlite3.connect(folder / "var/demo.sqlite3") as database:
        tables = ("orgs_user", "orgs_organization", "webhooks_endpoint")
        return [database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables]


def test_reset_starts_over(clone):
    with demos.running(clone, demos.free_ports()) as before:
        assert before.stop() == 0
    with demos.running(clone, demos.free_ports(), "--reset") as after:
        assert me(after, before.key).json()["code"] == "invalid_api_key"
        assert me(after, after.key).status_code == 200


@linux_only
def test_a_child_that_dies_is_named_and_takes_the_others_along(clone):
    with demos.running(clone, demos.free_ports()) as demo:
        children = demos.eventually(lambda: len(demo.children()) == 3 and demo.children())
        assert {os.getpgid(pid) for pid in children.values()} == {os.getpgid(demo.process.pid)}
        os.kill(children["worker"], signal.SIGKILL)
        assert demo.process.wait(timeout=demos.STOP_SECONDS) == 1
        assert "The worker stopped by itself (signal 9)" in demo.told and "Traceback" not in demo.told
        assert all(demos.is_gone(pid) for pid in children.values())


@linux_only
def test_children_do_not_outlive_a_killed_demo(clone):
    with demos.running(clone, demos.free_ports()) as demo:
        children = demos.eventually(lambda: len(demo.children()) == 3 and demo.children())
        demo.process.kill()
        demo.process.wait()
        assert demos.eventually(lambda: all(demos.is_gone(pid) for pid in children.values()))

"""One organization does its worst over two real processes of four threads; another one is answered all the while."""

import concurrent.futures
import contextlib
import json
import socket
import threading
import time

import pytest

from apps.webhooks.actions.testing import probe
from tests.engines import LOOPBACK
from tests.servers import HOST, nearly_all, portal, status_of

pytestmark = pytest.mark.faults

BATCH = 40


@pytest.fixture(scope="module")
def web(tmp_path_factory):
    with portal(tmp_path_factory.mktemp("heavy"), processes=2, threads=4) as server:
        server.key = server.make_key("users:write", "users:read", "audit:read", per_minute=5000)["key"]
        server.manage("create_organization", "--name", "Rival", "--slug", "rival", "--owner-email", "zed@rival.example")
        words = ("--org", "rival", "--type", "partner", "--name", "Other", "--scopes", "users:read", "--json")
        server.other = json.loads(server.manage("create_api_key", *words, "--per-minute=5000"))["key"]
        yield server


@pytest.fixture
def soon(web):
    """What another organization may wait for its answers."""
    return web.soon(web.other)


def batch(name, size=BATCH):
    return {
        "users": [
            {"name": "Mia", "email": f"{name}{number}@acme.example", "password": "correct horse"}
            for number in range(size)
        ]
    }


def waits_of_the_other(web, until):
    """What the other organization waits for its answers, at both processes."""
    waits = []
    while not until():
        answer = web.get("/v1/me", web.other, port=web.ports[len(waits) % 2])
        assert answer.status == 200
        waits.append(answer.seconds)
        time.sleep(0.05)
    return sorted(waits)


def test_two_batches_run_at_a_time_over_all_processes_and_others_are_answered(web, soon):
    barrier = threading.Barrier(8)

    def send(number):
        barrier.wait()
        return web.post("/v1/users/batch", web.key, batch(f"at{number}x"), port=web.ports[number % 2])

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(send, number) for number in range(8)]
        waits = waits_of_the_other(web, lambda: all(future.done() for future in futures))
        answers = [future.result() for future in futures]
    assert sorted(answer.status for answer in answers) == [200, 200] + [429] * 6
    for answer in answers:
        if answer.status == 429:
            assert answer.headers["retry-after"] == "1" and json.loads(answer.body)["code"] == "rate_limited"
    assert nearly_all(waits) < soon


def test_what_a_killed_process_held_is_free(web):
    """Both places are held by a process that is killed with them."""
    mia = {"email": "free@acme.example", "name": "Mia", "password": "correct horse"}

    def hold(number):
        while (answer := web.post("/v1/users/batch", web.key, batch(f"k{number}x", 100))).status == 429:
            time.sleep(0.01)  # what looks whether both are held had the place
        return answer

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        running = [pool.submit(hold, number) for number in range(2)]
        until = time.monotonic() + 20
        while web.get("/v1/audit-log/export?format=jsonl", web.key, port=web.ports[1]).status != 429:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert web.post("/v1/users", web.key, mia, port=web.ports[1]).status == 429
        assert [future for future in running if future.done()] == []
        web.children[0].kill()
        # The system takes a moment to end all of it.
        until = time.monotonic() + 10
        while (status := web.post("/v1/users", web.key, mia, port=web.ports[1]).status) == 429:
            assert time.monotonic() < until
        assert status == 201
    web.kill_and_restart(0)


def test_exports_that_nobody_reads_hold_two_places_and_nobody_up(web, soon):
    with contextlib.ExitStack() as stack:
        statuses = []
        for number in range(6):
            reader = stack.enter_context(socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            reader.connect((HOST, web.ports[number % 2]))
            path = "/v1/audit-log/export?format=jsonl"
            head = f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer {web.key}\r\n\r\n"
            reader.sendall(head.encode())
            statuses.append(reader)
        until = time.monotonic() + 1
        waits = waits_of_the_other(web, lambda: time.monotonic() > until)
        assert {status_of(reader) for reader in statuses} <= {200, 429}
    assert nearly_all(waits) < soon


def test_a_url_that_never_answers_is_given_up_after_five_seconds(settings):
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    with socket.create_server((HOST, 0)) as listener:
        started = time.monotonic()
        outcome = probe(f"http://{HOST}:{listener.getsockname()[1]}/", "acme")
    assert outcome.error == "timed_out" and 4.5 < time.monotonic() - started < 9

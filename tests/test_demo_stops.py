"""The demo ends whole, however it ends: none of its processes is left and its ports are free, within three seconds.

Ctrl-C is typed at a terminal of the test's own, so that SIGINT reaches what a person's would reach. The demo is started
with SIGINT ignored, as the background of a script starts it.
"""

import os
import pty
import random
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from tests import demos

pytestmark = [
    pytest.mark.clone, pytest.mark.pure,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]  # fmt: skip
STOP_SECONDS = 3.0
LEASE_SECONDS = 40.0  # of a worker that was killed before it could give back what was in flight
CTRL_C = b"\x03"
LAST_LINE = b"operator, platform"
WEBHOOK_LINE = re.compile(r"\d\d:\d\d:\d\d evt_\w+ [\w.]+ verified")
BUSY = "while True: pass"


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    folder = demos.clone_to(tmp_path_factory.mktemp("stops") / "clone")
    yield folder
    for pid in demos.left_in(folder):  # of a test that failed
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def started_before(clone):
    """The same, with a database that is up to date: the web server is then started before anything else."""
    if not (clone / "var/demo.schema").exists():
        with demos.running(clone, demos.free_ports()) as demo:
            assert demo.stop() == 0
    return clone


class Terminal:
    """A terminal with a demo in its foreground."""

    def __init__(self, folder):
        self.folder, self.port, self.seen = folder, demos.free_ports(), b""
        command = [sys.executable, "manage.py", "demo", "--port", str(self.port)]
        self.pid, self.screen = pty.fork()
        if not self.pid:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.chdir(folder)
            os.execve(sys.executable, command, demos.environment())

    def read_until(self, text):
        """Read the screen until it shows a text."""
        deadline = time.monotonic() + demos.START_SECONDS
        with suppress(OSError):  # the demo is gone
            while text not in self.seen and time.monotonic() < deadline:
                if select.select([self.screen], [], [], 1)[0]:
                    self.seen += os.read(self.screen, 65536)
        assert text in self.seen, self.seen.decode()

    def type(self, keys):
        os.write(self.screen, keys)

    def wait(self):
        """Wait for the demo's own process, and give its exit code."""
        deadline = time.monotonic() + demos.STOP_SECONDS
        while not (ended := os.waitpid(self.pid, os.WNOHANG))[0]:
            assert time.monotonic() < deadline, "the demo does not end"
            time.sleep(0.02)
        self.pid = 0
        return os.waitstatus_to_exitcode(ended[1])

    def close(self):
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()
        os.close(self.screen)


@contextmanager
def terminal(folder):
    opened = Terminal(folder)
    try:
        yield opened
    finally:
        opened.close()
        demos.eventually(lambda: not demos.left_in(folder), 5)


def seconds_until_gone(folder, port, began):
    """Wait until nothing of a demo lives and its ports are free; give how long that took."""
    while (left := demos.left_in(folder)) or (ports := demos.taken(port, port + 1)):
        took = time.monotonic() - began
        assert took < STOP_SECONDS, f"after {took:.1f} s there is {left or ports}"
        time.sleep(0.02)
    return time.monotonic() - began


def type_ctrl_c(screen):
    """Type it when the demo serves and a browser's connection is open."""
    screen.read_until(LAST_LINE)
    with socket.create_connection(("127.0.0.1", screen.port)) as kept:
        kept.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b" 200 " in kept.recv(4096)
        began = time.monotonic()
        screen.type(CTRL_C)
        assert screen.wait() == 0
        return seconds_until_gone(screen.folder, screen.port, began)


def kill_after(folder, seconds):
    """Kill the demo's own process so long after its start, and wait until the rest is gone."""
    port = demos.free_ports()
    command = [sys.executable, "manage.py", "demo", "--port", str(port)]
    with subprocess.Popen(command, cwd=folder, env=demos.environment(), stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as demo:  # fmt: skip
        time.sleep(seconds)
        began = time.monotonic()
        demo.kill()
        demo.wait()
        return seconds_until_gone(folder, port, began)


class Busy(BaseHTTPRequestHandler):
    """A receiver that lets the first delivery wait for ever."""

    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.server.ids.append(self.headers["webhook-id"])
        if len(self.server.ids) > 1:
            self.send_response(204)
            self.end_headers()
        else:
            self.server.over.wait()

    def log_message(self, *_words): ...


@contextmanager
def busy_receiver():
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        server.ids, server.over = [], threading.Event()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.over.set()
        server.shutdown()


def publish_to(server, screen):
    """With the key that the demo printed: an endpoint, and one event for it."""
    key = re.search(rb"ipk_\w{50}", screen.seen)[0].decode()
    endpoint = {"url": f"http://127.0.0.1:{server.server_port}/in", "event_types": ["order.created"]}
    event = {"type": "order.created", "data": {"order_id": "ORD-1", "status": "placed"}}
    for path, body in (("webhook-endpoints", endpoint), ("events", event)):
        url = f"http://127.0.0.1:{screen.port}/v1/{path}"
        answer = requests.post(url, json=body, headers={"X-API-Key": key}, timeout=10)
        assert answer.ok, answer.text


def ends_with_logins_and_a_line_for_each_webhook(screen):
    lines = screen.seen.decode().partition(LAST_LINE.decode())[2].split("\r\n")[1:-1]
    assert lines and [line for line in lines if not WEBHOOK_LINE.fullmatch(line)] == []


def test_ctrl_c_and_a_hang_up_end_all_of_it_and_lose_nothing(clone):
    with busy_receiver() as server:
        with terminal(clone) as screen:
            screen.read_until(b"api_key.created verified")
            ends_with_logins_and_a_line_for_each_webhook(screen)
            publish_to(server, screen)
            assert demos.eventually(lambda: server.ids)
            seconds = type_ctrl_c(screen)
        print(f"\ngone {seconds:.1f} s after Ctrl-C")
        with terminal(clone) as screen:
            screen.read_until(LAST_LINE)
            assert demos.eventually(lambda: len(server.ids) == 2, LEASE_SECONDS), "what was in flight is not sent again"
            assert server.ids[0] == server.ids[1]
            began = time.monotonic()
            os.kill(screen.pid, signal.SIGHUP)
            assert screen.wait() == 0
            seconds_until_gone(clone, screen.port, began)


@pytest.mark.parametrize("seconds", [0.4, 1.2, 2.4])  # before, while and after the web server forks its child
def test_killed_at_any_moment_it_leaves_nothing(started_before, seconds):
    print(f"\ngone {kill_after(started_before, seconds):.1f} s after kill -9")


@pytest.mark.parametrize("name", ["worker", "granian"])
def test_a_child_that_dies_is_named_and_takes_the_others_along(started_before, name):
    with demos.running(started_before, demos.free_ports()) as demo:
        children = demos.eventually(lambda: len(demo.children()) == 3 and demo.children())
        os.kill(children[name], signal.SIGKILL)
        assert demo.process.wait(timeout=demos.STOP_SECONDS) == 1
        assert "stopped by itself (signal 9)" in demo.told and "Traceback" not in demo.told
        assert demos.left_in(started_before) == {}


def test_children_do_not_outlive_a_killed_demo(started_before):
    with demos.running(started_before, demos.free_ports()) as demo:
        assert demos.eventually(lambda: len(demo.children()) == 3)
        demo.process.kill()
        demo.process.wait()
        assert demos.eventually(lambda: not demos.left_in(started_before), STOP_SECONDS), demos.left_in(started_before)


def test_a_taken_second_port_leaves_nothing(started_before):
    port = demos.free_ports()
    with socket.create_server(("127.0.0.1", port + 1)):
        done = demos.manage(started_before, "demo", "--port", str(port))
        assert done.returncode == 1 and f"Port {port + 1} for the webhook receiver cannot be used" in done.stderr
        assert demos.left_in(started_before) == {} and demos.taken(port) == []


@pytest.mark.long
def test_twenty_starts_and_stops_under_load(started_before):
    """Ctrl-C and kill -9 by turns, two busy loops beside them."""
    rng, stopped, killed = random.Random(14), [], []
    load = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(2)]
    try:
        for number in range(20):
            with terminal(started_before) as screen:
                stopped.append(type_ctrl_c(screen))
            killed.append(kill_after(started_before, rng.uniform(0, 8)))
            print(f"{number + 1}: {stopped[-1]:.2f} s after Ctrl-C, {killed[-1]:.2f} s after kill -9", flush=True)
    finally:
        for each in load:
            each.kill()
            each.wait()
    print(f"slowest: {max(stopped):.2f} s after Ctrl-C, {max(killed):.2f} s after kill -9")

"""What web processes count is one sum, whichever answers, also after one was killed and another took its place."""

import http.client
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.servers import HOST, Portal, portal, wait_until

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds its children in /proc")
TOKEN = "a-token-for-the-figures-of-this-test"
REFUSED = ("portal_http_requests_total", (("method", "GET"), ("route", "/v1/users"), ("status", "401")))
TOOK = ("portal_http_request_duration_seconds_count", (("route", "/v1/users"),))
Figures = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(server: Portal) -> Figures:
    connection = http.client.HTTPConnection(HOST, server.ports[0], timeout=15)
    connection.request("GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    families = text_string_to_metric_families(connection.getresponse().read().decode())
    connection.close()
    return {(each.name, tuple(sorted(each.labels.items()))): each.value for one in families for each in one.samples}


def children_of(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found


def folders(place: Path) -> list[str]:
    return sorted(path.name for path in place.glob("portal-figures-*"))


def call(server: Portal, times: int) -> None:
    for _ in range(times):
        assert server.get("/v1/users").status == 401


def until(check: Callable[[], bool], server: Portal) -> None:
    wait_until(check, "it never came true", server.children[0], 15)


def test_two_processes_are_one_sum_also_after_a_kill(tmp_path: Path):
    with portal(tmp_path, workers=2, METRICS_TOKEN=TOKEN, TMPDIR=str(tmp_path)) as server:
        until(lambda: len(children_of(server.children[0].process.pid)) == 2, server)
        assert scrape(server)[("portal_redis_unavailable_total", ())] == 0
        call(server, 30)
        seen = [scrape(server) for _ in range(8)]
        assert [(each[REFUSED], each[TOOK]) for each in seen] == [(30, 30)] * 8
        own = [each[("portal_http_requests_total", (("method", "GET"), ("route", "/metrics"), ("status", "200")))]
               for each in seen]  # fmt: skip
        assert own == list(range(1, 9)), "each scrape but itself, and none goes back"

        killed, other = children_of(server.children[0].process.pid)
        os.kill(killed, signal.SIGKILL)
        until(lambda: len({*children_of(server.children[0].process.pid)} - {killed, other}) == 1, server)
        call(server, 20)
        assert [scrape(server)[REFUSED] for _ in range(4)] == [50] * 4
        (folder,) = folders(tmp_path)
        assert (tmp_path / folder).stat().st_mode & 0o777 == 0o700
        assert len(list((tmp_path / folder).glob("counter_*.db"))) == 2, "the successor goes on with the same files"

        # A server that is killed leaves its folder to the next one; one that is told to end leaves nothing.
        server.children[0].kill()
        assert folders(tmp_path) == [folder]
        server.kill_and_restart(0)
        assert folder not in folders(tmp_path) and len(folders(tmp_path)) == 1
        call(server, 1)
        assert scrape(server)[REFUSED] == 1, "it counts from 0"
        server.children[0].process.send_signal(signal.SIGTERM)
        assert server.children[0].process.wait(15) == 0
        assert folders(tmp_path) == []

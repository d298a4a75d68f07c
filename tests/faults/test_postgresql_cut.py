"""The road to PostgreSQL cut under load: workers go on by themselves once it is back (promise 5, short form)."""

import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from typing import Any

import pytest
from django.db import connection

from apps.orgs.models import Organization
from apps.webhooks.models import Delivery, Event
from tests.engines import LOOPBACK, make_endpoint, publish
from tests.faults.processes import database_url, wait_until, worker
from tests.receivers import Receiver, slow

pytestmark = [pytest.mark.faults, pytest.mark.django_db(transaction=True)]

CUT_SECONDS = 1.5
# What one engine has in flight at most: each cut may repeat those.
IN_FLIGHT = 16


class Road:
    """A proxy before the database. ``cut`` breaks every connection and refuses new ones until ``mend``."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._open: list[socket.socket] = []
        self._is_cut = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _address = self._listener.accept()
                if self._is_cut:
                    near.close()
                    continue
                far = socket.create_connection(self._target)
                self._open += [near, far]
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=(source, sink), daemon=True).start()

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        self._is_cut = True
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def mend(self) -> None:
        self._is_cut = False

    def close(self) -> None:
        self.cut()
        self._listener.close()


def test_a_cut_connection_is_survived_and_loses_nothing(acme: Organization, settings: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("there is no connection to cut")
    settings.WEBHOOK_ALLOW_CIDRS = LOOPBACK
    place = (connection.settings_dict["HOST"], int(connection.settings_dict["PORT"] or 5432))
    road = Road(*place)
    url = database_url().replace(f"@{place[0]}:{place[1]}/", f"@127.0.0.1:{road.port}/")
    cuts = 3
    with Receiver(slow(0.02)) as receiver, worker(DATABASE_URL=url) as process:
        make_endpoint(acme, receiver.url)
        for _cut in range(cuts):
            for _event in range(60):
                publish(acme)
                time.sleep(0.01)
            road.cut()
            publish(acme)
            time.sleep(CUT_SECONDS)
            road.mend()
        wait_until(lambda: not Delivery.objects.exclude(status="succeeded").exists())
        assert process.poll() is None
        received = Counter(each.headers["webhook-id"] for each in receiver.requests)
    road.close()
    accepted = {each.public_id for each in Event.objects.filter(type="order.created")}
    assert set(received) == accepted and len(accepted) == 61 * cuts
    assert sum(received.values()) - len(accepted) <= cuts * IN_FLIGHT

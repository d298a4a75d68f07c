"""A Redis that takes connections and says nothing, or is not there: forms answer soon and keep their limits."""

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.core.cache.backends.locmem import LocMemCache
from django.test import Client, override_settings

from apps.base import redis as shared
from apps.orgs.models import OutgoingMail
from integrations_portal import celery
from tests.servers import HOST, free_port

pytestmark = pytest.mark.django_db
LOGIN, RESET = "/account/login/", "/account/password/reset/"
CACHE = {"BACKEND": "apps.base.web.cache.Cache", "OPTIONS": {"MAX_ENTRIES": 20_000}}


@pytest.fixture(params=["silent", "refused"])
def redis_url(request: Any) -> Iterator[str]:
    """A place where nothing answers: connections are taken by the system alone, or by nobody."""
    with socket.create_server((HOST, 0), backlog=1024) as listener:
        port = listener.getsockname()[1] if request.param == "silent" else free_port()
        url = f"redis://:password@{HOST}:{port}/1"
        with override_settings(REDIS_URL=url, CACHES={"default": {**CACHE, "LOCATION": url}}):
            _start_afresh()
            yield url
    _start_afresh()


def _start_afresh() -> None:
    shared.client.cache_clear()
    shared.breaker._open_until = 0.0
    LocMemCache("portal", {}).clear()


def test_passwords_are_still_limited_and_answered_soon(redis_url, ada):
    statuses, times = [], []
    for number in range(11):
        started = time.monotonic()
        answer = Client(REMOTE_ADDR=f"192.0.2.{number}").post(LOGIN, {"login": ada.email, "password": "wrong"})
        times.append(time.monotonic() - started)
        statuses.append(answer.status_code)
    assert statuses == [200] * 10 + [429]
    # One wait of 300 ms and one hash; a loaded machine makes the hash slow, a Redis without breaker 20 s of it.
    assert sorted(times)[5] < 2 and max(times) < 5


def test_mails_for_one_address_are_still_limited(redis_url, db):
    for number in range(11):
        answer = Client(REMOTE_ADDR=f"192.0.2.{number}").post(RESET, {"email": "x@x.example"})
    assert answer.status_code == 429 and OutgoingMail.objects.count() == 10


def test_the_cache_works_on_in_the_process(redis_url):
    assert cache.add("n", 1, 60) and not cache.add("n", 1, 60)
    assert cache.incr("n") == 2 and cache.get("n") == 2 and "n" in cache
    cache.set_many({"a": 1, "b": 2}, 60)
    assert cache.get_many(["a", "b", "c"]) == {"a": 1, "b": 2}
    assert cache.touch("a", 60) and cache.delete("a") and not cache.has_key("a")


def test_a_counter_that_goes_between_two_steps_refuses_nobody(ada, monkeypatch):
    """As when Redis is there at the first step and away at the second."""

    def is_gone(*_values: Any, **_named: Any) -> int:
        raise ValueError("gone")

    added = iter([False, True] * 20)
    monkeypatch.setattr(type(caches["default"]), "add", lambda *_values, **_named: next(added))
    monkeypatch.setattr(type(caches["default"]), "incr", is_gone)
    assert Client().post(LOGIN, {"login": ada.email, "password": "wrong"}).status_code == 200


def test_an_unresponsive_broker_does_not_block_notifying_workers(settings, monkeypatch):
    monkeypatch.setattr(celery, "SOCKET_TIMEOUT_SECONDS", 0.3)
    with socket.create_server((HOST, 0)) as listener:
        settings.CELERY_BROKER_URL = f"redis://{HOST}:{listener.getsockname()[1]}/0"
        try:
            with pytest.raises(Exception, match="Timeout"):
                celery.make_app().send_task("webhooks.wake", ignore_result=True, retry=False)
        finally:
            celery.app.set_current()

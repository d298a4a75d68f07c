"""The ceiling on heavy work: places, turns, and what somebody is told who comes beyond it."""

import gc
import threading
import time

import pytest
from django.http import StreamingHttpResponse
from django.test import Client
from django.urls import reverse

from apps.base.concurrency import heavy_work
from apps.base.concurrency.web_threads import configured_threads, heavy_thread_limit, slow_thread_limit, web_threads
from apps.base.crypto.secrets import PasswordHasher
from apps.base.errors import Busy
from apps.base.rest import api_fast_path

ONE, OTHER = "one", "other"


@pytest.fixture(autouse=True)
def _all_places_are_free_afterwards():
    yield
    gc.collect()
    assert heavy_work._slots_in_use.total() == 0


@pytest.mark.parametrize(
    ("words", "variable", "threads"),
    [
        (["granian", "--blocking-threads", "16", "app"], "", 16),
        (["granian", "--blocking-threads=8"], "2", 8),
        (["granian"], "12", 12),
        (["granian"], "", 4),
        (["granian", "--blocking-threads"], "", 4),
        (["granian", "--blocking-threads", "many"], "", 4),
    ],
)
def test_the_number_of_threads_is_what_granian_was_told(words, variable, threads):
    assert configured_threads(words, variable) == threads


@pytest.mark.parametrize(("threads", "heavy", "slow"), [(1, 1, 1), (2, 1, 1), (4, 2, 1), (8, 4, 3), (9, 4, 4)])
def test_heavy_work_and_slow_bodies_leave_a_thread(monkeypatch, threads, heavy, slow):
    monkeypatch.setattr("apps.base.concurrency.web_threads.web_threads", lambda: threads)
    assert (heavy_thread_limit(), slow_thread_limit()) == (heavy, slow)
    assert threads <= 2 or heavy + slow < threads


@pytest.mark.django_db(transaction=True)
def test_an_organization_has_two_places_and_a_process_half_of_its_threads(monkeypatch):
    monkeypatch.setattr(heavy_work, "heavy_thread_limit", lambda: 3)
    first, second = heavy_work.reserve_slot(ONE), heavy_work.reserve_slot(ONE)
    with pytest.raises(Busy) as refused:
        heavy_work.reserve_slot(ONE)
    assert refused.value.headers == {"Retry-After": "1"} and refused.value.code == "rate_limited"
    third = heavy_work.reserve_slot(OTHER)
    with pytest.raises(Busy):
        heavy_work.reserve_slot("a third one")
    with pytest.raises(Busy):
        heavy_work.reserve_slot()
    first.release()
    first.release()
    fourth = heavy_work.reserve_slot(ONE)
    for slot in (second, third, fourth):
        slot.release()


@pytest.mark.django_db(transaction=True)
def test_a_place_that_another_process_holds_is_taken(monkeypatch):
    """What this process counts is emptied, as another process would know nothing of it."""
    places = [heavy_work.reserve_slot(ONE), heavy_work.reserve_slot(ONE)]
    monkeypatch.setattr(heavy_work, "_slots_in_use", heavy_work.Counter())
    with pytest.raises(Busy):
        heavy_work.reserve_slot(ONE)
    heavy_work.reserve_slot(OTHER).release()
    monkeypatch.undo()
    for slot in places:
        slot.release()
    heavy_work.reserve_slot(ONE).release()


@pytest.mark.django_db
def test_a_stream_holds_its_place_until_it_is_closed():
    with heavy_work.reserve_slot(ONE) as slot:
        answer = slot.hold_until_sent(StreamingHttpResponse(iter([b"a", b"b"])))
    assert heavy_work._slots_in_use[ONE] == 1
    answer.close()
    assert heavy_work._slots_in_use[ONE] == 0
    with pytest.raises(ZeroDivisionError), heavy_work.reserve_slot(ONE):
        raise ZeroDivisionError
    heavy_work.reserve_slot(ONE)  # nobody keeps it


def test_hashes_are_made_one_at_a_time_in_the_order_asked(monkeypatch):
    turns, order, started = heavy_work.FairLock(), [], threading.Barrier(2)

    def again_and_again():
        for _ in range(20):
            with turns:
                order.append("long")
                if len(order) == 1:
                    started.wait()
                time.sleep(0.005)

    thread = threading.Thread(target=again_and_again)
    thread.start()
    started.wait()
    with turns:
        order.append("short")
    thread.join()
    # Python's own lock would mostly have gone back to the one that just gave it up.
    assert "short" in order[:4]


def test_a_hash_needs_a_place_unless_its_thread_has_one(monkeypatch):
    monkeypatch.setattr(heavy_work, "heavy_thread_limit", lambda: 1)
    hasher = PasswordHasher()
    with heavy_work.reserve_slot():
        encoded = hasher.encode("correct horse", "salt" * 4)
    slot = heavy_work.reserve_slot()
    with pytest.raises(Busy):
        hasher.verify("correct horse", encoded)
    slot.release()
    assert hasher.verify("correct horse", encoded)


@pytest.fixture
def busy(monkeypatch):
    monkeypatch.setattr(heavy_work, "heavy_thread_limit", lambda: 0)


def test_forms_keep_what_was_typed(ada, busy):
    answer = Client().post("/account/login/", {"login": "ada@acme.example", "password": "correct horse battery"})
    page = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    assert "Too much is going on at once" in page and 'value="ada@acme.example"' in page
    assert "correct horse" not in page


def test_the_api_says_when_to_try_again_and_counts_nothing(api, acme_key, busy):
    body = {"name": "Mia", "email": "mia@acme.example", "password": "correct horse"}
    before = api(acme_key).get("/v1/users")
    for path, sent in (("users", body), ("users/batch", {"users": [body]})):
        answer = api(acme_key).post(f"/v1/{path}", sent)
        assert (answer.status_code, answer["Retry-After"]) == (429, "1")
        assert answer.json()["code"] == "rate_limited"
        # A refused request costs nothing.
        assert answer["RateLimit-Remaining"] == before["RateLimit-Remaining"]
    answer = api(acme_key).get("/v1/audit-log/export?format=csv")
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    assert api(acme_key).get("/v1/users").json() == before.json()


def test_pages_say_so(client, ada, busy):
    client.force_login(ada)
    answer = client.get(reverse("api_key_inventory_csv", args=["acme"]))
    assert (answer.status_code, answer["Retry-After"]) == (429, "1")
    answer = client.post(reverse("webhook_create", args=["acme"]), {"check": "", "url": "https://example.com/hook"})
    assert "Too much is going on at once" in answer.content.decode()


def test_a_client_that_reads_nothing_is_disconnected():
    import socket

    if not hasattr(socket, "TCP_USER_TIMEOUT"):
        pytest.skip("the system has no such limit")
    api_fast_path.limit_send_times.cache_clear()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        api_fast_path.limit_send_times()
        with socket.create_connection(listener.getsockname()):
            accepted, _address = listener.accept()
            with accepted:
                limit = accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
    assert limit == api_fast_path.SEND_TIMEOUT_SECONDS * 1000


def test_a_program_of_tests_has_the_usual_number():
    assert web_threads() == 4

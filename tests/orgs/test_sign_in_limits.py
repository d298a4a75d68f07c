"""Sign-in reveals no accounts and limits guesses."""

import re
import statistics
import time

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client
from django.utils import timezone
from redis.exceptions import ConnectionError as RedisAway

from apps.base.crypto.secrets import PasswordHasher
from apps.base.web import form_limits
from apps.orgs.mail.jobs import send_due_mail
from apps.orgs.models import OutgoingMail, User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db
LOGIN, RESET = "/account/login/", "/account/password/reset/"
VARYING = re.compile(r'value="[^"]*"|nonce="[^"]*"|nonce-[\w=+/-]+|[0-9a-f]{32}')


def shape(answer):
    """All of an answer but tokens."""
    return answer.status_code, answer.get("Location"), VARYING.sub("", answer.content.decode())


def test_a_wrong_password_reads_the_same_whoever_it_is_for(ada, person):
    person("Olga", is_staff=True)
    off = person("Off", is_active=False)
    nameless = User.objects.create_user("nameless@nowhere.example", None, name="Nameless")
    everybody = (ada.email, "nobody@acme.example", "olga@nowhere.example", off.email, nameless.email)
    shapes = {shape(Client().post(LOGIN, {"login": email, "password": "wrong"})) for email in everybody}
    assert len(shapes) == 1


def test_each_try_hashes_once_whoever_it_is_for(ada, monkeypatch):
    """What takes time is the hash: as many for an unknown address, one without a password, and a known one."""
    User.objects.create_user("nameless@nowhere.example", None, name="Nameless")
    hashes = []
    for name in ("encode", "verify"):
        original = getattr(django_hasher(), name)
        patched = lambda self, *rest, original=original, **named: hashes.append(1) or original(self, *rest, **named)  # noqa: E731
        monkeypatch.setattr(django_hasher(), name, patched)
    counts = {}
    for email in (ada.email, "nobody@acme.example", "nameless@nowhere.example"):
        hashes.clear()
        Client().post(LOGIN, {"login": email, "password": "wrong"})
        counts[email] = len(hashes)
    assert set(counts.values()) in ({1}, {2}), counts


def django_hasher():
    return PasswordHasher.__mro__[1]


def test_the_time_of_a_try_does_not_tell(ada, monkeypatch):
    monkeypatch.setattr(form_limits, "check", lambda *_a, **_o: None)
    monkeypatch.setattr(form_limits, "check_without_counting", lambda *_a, **_o: None)
    make_password("warm")
    times = {ada.email: [], "nobody@acme.example": []}
    browser = Client()
    for _ in range(8):
        for email, taken in times.items():
            start = time.thread_time()
            browser.post(LOGIN, {"login": email, "password": "wrong"})
            taken.append(time.thread_time() - start)
    known, unknown = (statistics.median(taken) for taken in times.values())
    assert abs(known - unknown) < max(known, unknown) * 0.5


def test_a_reset_reads_the_same_and_looks_nobody_up(ada, django_assert_num_queries):
    shapes, queries = set(), set()
    for email in (ada.email, "nobody@acme.example"):
        browser = Client()
        with django_assert_num_queries(4, exact=False) as captured:
            shapes.add(shape(browser.post(RESET, {"email": email})))
        queries.add(tuple(re.sub(r"'[^']*'|s\d+_x\d+", "?", query["sql"]) for query in captured.captured_queries))
        assert [query for query in captured.captured_queries if "orgs_user" in query["sql"]] == []
    assert len(shapes) == 1 and len(queries) == 1 and OutgoingMail.objects.count() == 2
    assert not OutgoingMail.objects.exclude(subject="").exclude(body="").exists(), "no row holds a link"


def test_asking_for_a_taken_address_reads_the_same(browser_of, ada, ann, mailoutbox):
    pages = set()
    for email in (ann.email, "free@acme.example"):
        browser = browser_of(ada)
        answer = browser.post("/account/email/", {"email": email, "action_add": ""}, follow=True)
        pages.add(VARYING.sub("", answer.content.decode()).replace(email, "…"))
    assert len(pages) == 1
    send_due_mail()
    assert ann.email not in [to for mail in mailoutbox for to in mail.to]


def test_wrong_passwords_of_one_account_are_counted_over_networks(ada, time_machine):
    time_machine.move_to(timezone.now(), tick=False)  # the tries do not fall into two windows
    for number in range(10):
        Client(REMOTE_ADDR=f"192.0.2.{number}").post(LOGIN, {"login": ada.email.upper(), "password": "wrong"})
    answer = Client(REMOTE_ADDR="198.51.100.1").post(LOGIN, {"login": ada.email, "password": PASSWORD})
    assert answer.status_code == 429 and 1 <= int(answer["Retry-After"]) <= 301
    assert f"in {answer['Retry-After']} second" in answer.content.decode()
    unknown = [Client().post(LOGIN, {"login": "nobody@x.example", "password": "wrong"}) for _ in range(11)]
    assert unknown[-1].status_code == 429, "an unknown address is counted alike"


def test_right_passwords_are_not_counted_as_wrong_ones(ada):
    for number in range(12):
        browser = Client(REMOTE_ADDR=f"192.0.2.{number}")
        assert browser.post(LOGIN, {"login": ada.email, "password": PASSWORD}).status_code == 302


def test_one_network_is_limited_and_an_ipv6_household_is_one(db, monkeypatch):
    monkeypatch.setattr("apps.orgs.accounts.sign_in_views.SIGN_IN_LIMIT", "3/m")
    answers = [
        Client(REMOTE_ADDR=f"2001:db8:0:1::{number:x}").post(LOGIN, {"login": f"{number}@x.example", "password": "x"})
        for number in range(4)
    ]
    assert [answer.status_code for answer in answers[-2:]] == [200, 429]
    other = Client(REMOTE_ADDR="2001:db8:0:2::1").post(LOGIN, {"login": "x@x.example", "password": "x"})
    assert other.status_code == 200
    assert form_limits.rate_limit_address("nonsense") == "nonsense"


def test_mails_for_one_address_are_limited(db):
    for number in range(11):
        answer = Client(REMOTE_ADDR=f"192.0.2.{number}").post(RESET, {"email": "x@x.example"})
    assert answer.status_code == 429 and OutgoingMail.objects.count() == 10


def test_a_redis_that_is_away_is_no_error(ada, monkeypatch, browser_of):
    def away(*_arguments, **_options):
        raise RedisAway("away")

    monkeypatch.setattr(
        "django_ratelimit.core.caches", {"default": type("Away", (), {"add": away, "incr": away, "get": away})()}
    )
    monkeypatch.setattr("django.core.cache.backends.locmem.LocMemCache.get", away)
    monkeypatch.setattr("django.core.cache.backends.locmem.LocMemCache.add", away)
    browser = Client()
    assert browser.post(LOGIN, {"login": ada.email, "password": "wrong"}).status_code == 200
    assert browser.post(LOGIN, {"login": ada.email, "password": PASSWORD}).status_code == 302
    assert Client().post(RESET, {"email": ada.email}).status_code == 302
    assert browser_of(ada, confirmed=False).post("/account/reauthenticate/", {"password": PASSWORD}).status_code == 200

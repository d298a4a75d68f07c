"""A database that an earlier commit filled goes on under this code: nobody is signed out, and every secret opens.

The earlier code is a clone of its own. Its pages, API and commands fill the database; then this code migrates it and is
asked by the same people and programs. At the end both run side by side on it for a minute.
"""

import contextlib
import shutil
import time
from collections import Counter

import pytest

from tests.earlier import portals
from tests.earlier.filling import ADA, CREATE_KEY, JO, NEW_PASSWORD, VERA, Filled
from tests.earlier.people import Person
from tests.earlier.traffic import Traffic
from tests.receivers import Receiver
from tests.servers import Portal, redis_server
from tests.upgrades import postgresql

pytestmark = [pytest.mark.long, pytest.mark.clone, pytest.mark.pure]

SIDE_BY_SIDE_SECONDS, PER_SECOND = 60.0, 5
NEW_BROWSER = "A new browser signed in to your account"


@contextlib.contextmanager
def on_sqlite(folder):
    """Without Redis."""
    yield {}


@contextlib.contextmanager
def on_postgresql(folder):
    """With Redis for counters, cached rows and Celery, where it is installed."""
    with contextlib.ExitStack() as stack:
        found = {"DATABASE_URL": stack.enter_context(postgresql())}
        if shutil.which("redis-server"):
            found["REDIS_URL"] = found["CELERY_BROKER_URL"] = stack.enter_context(redis_server(folder)).url
        yield found


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    return portals.code_of(portals.COMMIT, tmp_path_factory.mktemp("earlier") / "code")


@pytest.mark.parametrize("database", [on_sqlite, on_postgresql])
def test_what_an_earlier_commit_left_goes_on(code, tmp_path, database):
    with database(tmp_path) as variables, Receiver() as receiver:
        told = portals.settings(tmp_path, **variables)
        before, after = Portal(tmp_path, told, root=code), Portal(tmp_path, told)
        left = Filled(before, receiver.url)
        receiver.requests.clear()
        after.manage("migrate", "--verbosity", "0", seconds=portals.MIGRATE_SECONDS)
        assert portals.kept_by(after) == left.kept
        after.manage("verify_audit")
        after.start()
        try:
            people_go_on(after, left)
            programs_go_on(after, left)
            deliveries_go_on(after, left, receiver)
            mails_go_on(after, left)
            receiver.requests.clear()
            before.ports.clear()
            before.children.clear()
            before.start()
            try:
                side_by_side(before, after, left, receiver)
            finally:
                before.stop()
            after.manage("verify_audit")
        finally:
            after.stop()


def people_go_on(after, left):
    """Sessions, the open form and every way to sign in."""
    for person in (left.ada, left.vera):
        person.portal = after
        assert person.is_in
    fields = {**left.form, "type": "partner", "name": "From an open form", "access_users": "users:read"}
    made = left.ada.post(CREATE_KEY, fields)
    assert made.status_code == 200 and 'id="secret"' in made.text
    assert 'id="secret"' not in left.ada.post(CREATE_KEY, fields).text
    assert Person(after).sign_in(ADA, left.unused_code()).is_in
    assert Person(after).sign_in(ADA, left.recovery_codes[0]).is_in
    assert not Person(after).sign_in(ADA, left.recovery_codes[0]).is_in
    assert Person(after).sign_in_by(left.passkey).is_in


def programs_go_on(after, left):
    """Keys, a device, and a request that is sent again."""
    assert after.get("/v1/me", left.key).status == 200
    assert left.heartbeat(after) == 200
    status, _replayed, body = left.answered
    assert left.repeat(after) == (status, "true", body)


def deliveries_go_on(after, left, receiver):
    """What waited comes, signed as before; what is held stays until it is let go."""
    after.manage("worker", "--once")
    (request,) = receiver.requests
    assert request.headers["x-team"] == "blue" and b"waits" in request.body
    signed = {portals.signature(secret, request) for secret in (left.secret, left.old_secret)}
    assert set(request.headers["webhook-signature"].split()) == signed
    receiver.requests.clear()
    answer = after.post(f"/v1/webhook-endpoints/{left.held}/enable", left.key, {"held": "send"})
    assert answer.status == 200, answer.body
    after.manage("worker", "--once")
    assert len(receiver.requests) >= 2
    for request in receiver.requests:
        if path_of(request).endswith("held"):
            assert request.headers["webhook-signature"] == portals.signature(left.held_secret, request)
    bodies = [request.body for request in receiver.requests if path_of(request).endswith("held")]
    assert [each for each in (b"delivered", b"waits") if not any(each in body for body in bodies)] == []


def mails_go_on(after, left):
    """Links that were mailed open, the mail that waited has left, and a browser that was known is no news."""
    assert 'name="password1"' in Person(after).get(left.reset).text
    assert 'name="password1"' in Person(after).get(portals.link(left.folder, ADA, NEW_PASSWORD)).text
    assert JO in Person(after).accept(left.invitation, "Jo").get("/account/").text
    left.vera.sign_out()
    assert left.vera.sign_in(VERA).is_in
    after.manage("worker", "--once")
    assert NEW_BROWSER in portals.mails(left.folder, ADA) and NEW_BROWSER not in portals.mails(left.folder, VERA)


def path_of(request):
    return request.head.split(b" ")[1].decode()


def side_by_side(before, after, left, receiver):
    """Both webs and a worker of each at once: no request fails, and each event of either comes once."""
    workers = [portals.worker(before, "before"), portals.worker(after, "after")]
    try:
        cookies = left.ada.session.cookies.get_dict()
        with Traffic([before, after], left.key, cookies, PER_SECOND) as traffic:
            time.sleep(SIDE_BY_SIDE_SECONDS)
        assert traffic.failures == []
        came = wait_for(receiver, traffic.accepted)
        assert all(child.process.poll() is None for child in workers), [child.log.read_text() for child in workers]
    finally:
        for child in workers:
            child.kill()
    print(f"{traffic.count} requests, {len(traffic.accepted)} events, each delivered once")
    assert len(traffic.accepted) > SIDE_BY_SIDE_SECONDS / 3 and came == Counter(traffic.accepted)


def wait_for(receiver, accepted):
    """Return how often each event came to the endpoint that is not held, once all have come or a minute is over."""
    deadline = time.monotonic() + 60
    while True:
        came = Counter(each.headers["webhook-id"] for each in list(receiver.requests) if path_of(each) == "/hook")
        if set(accepted) <= set(came) or time.monotonic() > deadline:
            return Counter({name: count for name, count in came.items() if name in set(accepted)})
        time.sleep(0.5)

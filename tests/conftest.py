"""Fixtures that every test can use: two organizations with their members, an API key each, and clients.

Acme: Ada (owner), Ann (admin), Dev (developer), Vera (viewer). Rival: Zed (owner). A name means the same everywhere.
"""

import sys
import time
import uuid
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.contrib.auth.hashers import make_password
from django.contrib.auth.management import create_permissions
from django.contrib.contenttypes.management import create_contenttypes
from django.core.cache import cache
from django.db import connection, connections, transaction
from django.db.models.signals import post_migrate
from django.test import Client, TransactionTestCase
from whitenoise.middleware import WhiteNoiseMiddleware

from apps.api_keys import actions as key_actions
from apps.api_keys.models import ApiKey
from apps.audit.calls import group_commit, redis_stream
from apps.audit.migrations import _append_only as append_only
from apps.base import redis as shared
from apps.base.actor import Actor, system
from apps.base.concurrency import heavy_work
from apps.base.rest import request_bodies
from apps.credentials.gate import key_check, rate_limits
from apps.orgs.accounts import sign_in_views
from apps.orgs.models import Membership, Organization, Role, User
from tests.contract import Contract
from tests.migrated_database import copy_migrated_database

PASSWORD = "correct horse battery"
ALL_SCOPES = (
    "users:write", "api_keys:write", "webhooks:write", "events:write", "events:read", "audit:read", "usage:read",
    "sdk_keys:write",
)  # fmt: skip


# What starts processes and waits for them: the longest files, with the fewest tests.
WAITING = ("clone", "browser", "faults")


_unread: list[weakref.ref[Any]] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, unless it was asked for (``-m long``); begin with what waits for others.

    At the end of a run all processes have something to do then, instead of one that has begun the longest file.
    """
    if "long" not in config.option.markexpr:
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("long")])
        items[:] = [item for item in items if not item.get_closest_marker("long")]
    waiting = {item.path for item in items if any(item.get_closest_marker(name) for name in WAITING)}
    # By name, not by folder: browsers, which keep the cores busy, stand between those that only wait.
    items.sort(key=lambda item: (0, item.path.name) if item.path in waiting else (1, ""))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Unregister Hypothesis's plugin where no collected test uses it: its summary would import all of Hypothesis."""
    if "hypothesis" not in sys.modules and session.config.pluginmanager.has_plugin("hypothesispytest"):
        session.config.pluginmanager.unregister(name="hypothesispytest")


@pytest.fixture(scope="session")
def django_db_keepdb(django_db_keepdb: bool, django_db_createdb: bool, django_db_modify_db_settings: None) -> bool:
    """Begin with a copy of a migrated database, on SQLite: pytest-django then finds nothing left to migrate."""
    name = connection.creation._get_test_db_name()
    if connection.vendor != "sqlite" or django_db_createdb or connection.creation.is_in_memory_db(name):
        return django_db_keepdb
    copy_migrated_database(Path(name))
    return True


@pytest.fixture(autouse=True, scope="session")
def _allow_flush_of_append_only_tables() -> None:
    """Drop the append-only triggers while the test database is flushed: nothing else may."""
    original = TransactionTestCase._fixture_teardown

    def teardown(self: TransactionTestCase) -> None:
        group_commit.stop()
        with transaction.atomic():
            for each in connections.all():
                append_only.remove(each)
        try:
            with _keep_content_types(), transaction.atomic():
                original(self)
        finally:
            with transaction.atomic():
                for each in connections.all():
                    append_only.install(each)

    TransactionTestCase._fixture_teardown = teardown


@contextmanager
def _keep_content_types() -> Iterator[None]:
    """Keep content types and permissions during a flush: to write them again takes ten times as long as the flush."""
    tables = connection.introspection.django_table_names

    def emptied(**options: Any) -> list[str]:
        return [name for name in tables(**options) if name not in ("django_content_type", "auth_permission")]

    permissions = {"dispatch_uid": "django.contrib.auth.management.create_permissions"}
    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(**permissions)
    connection.introspection.django_table_names = emptied
    try:
        yield
    finally:
        connection.introspection.django_table_names = tables
        post_migrate.connect(create_contenttypes)
        post_migrate.connect(create_permissions, **permissions)


@pytest.fixture(autouse=True, scope="session")
def _check_responses_against_document() -> Iterator[None]:
    """Check every API response that a test client gets against the OpenAPI document."""
    contract, original = Contract(), Client.request

    def request(self: Client, **environ: Any) -> Any:
        response = original(self, **environ)
        contract.check(response.wsgi_request.META, response)
        if response.streaming:
            _unread.append(weakref.ref(response))
        return response

    Client.request = request  # type: ignore[method-assign]
    yield
    Client.request = original  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _close_streamed_responses() -> Iterator[None]:
    """Close streamed responses after the test, as a server does: what they hold would wait for a garbage collector."""
    yield
    while _unread:
        for close in getattr(_unread.pop()(), "_resource_closers", ()):
            close()


@pytest.fixture(autouse=True, scope="session")
def _find_static_files_once() -> Iterator[None]:
    """Look for static files once: each client starts the middleware, which would look for them again."""
    original, found = WhiteNoiseMiddleware.add_files_from_finders, {}

    def add_files(self: WhiteNoiseMiddleware) -> None:
        if not found:
            original(self)
            found.update(self.files)
        self.files.update(found)

    WhiteNoiseMiddleware.add_files_from_finders = add_files
    yield
    WhiteNoiseMiddleware.add_files_from_finders = original


@pytest.fixture(autouse=True)
def _reset_caches(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Clear rate limits, caches and cached rows before each test. A Redis is never flushed: it may be shared."""
    # Bodies of a test's client are all there, but many threads at once take turns.
    monkeypatch.setattr(request_bodies, "BRIEF_WAIT_SECONDS", 15.0)
    monkeypatch.setattr(sign_in_views, "MIN_RESPONSE_SECONDS", 0.0)
    rate_limits.memory.clear()
    key_check.cache._rows.clear()
    if not settings.REDIS_URL:
        cache.clear()
        yield
        return
    prefix = f"portal-test-{uuid.uuid4().hex}:"
    monkeypatch.setattr(rate_limits, "PREFIX", prefix)
    monkeypatch.setattr(redis_stream, "STREAM_KEY", f"{prefix}calls")
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": prefix}}
    yield
    for key in shared.client().scan_iter(f"*{prefix}*", count=1000):
        shared.client().delete(key)


@pytest.fixture
def no_heavy_work_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow any number of heavy operations at once, for tests of what comes after."""
    monkeypatch.setattr(heavy_work, "SLOTS_PER_ORGANIZATION", 100)
    monkeypatch.setattr(heavy_work, "heavy_thread_limit", lambda: 100)


@pytest.fixture
def acme(db: Any) -> Organization:
    return Organization.objects.create(name="Acme Travel", slug="acme")


@pytest.fixture
def rival(db: Any) -> Organization:
    return Organization.objects.create(name="Rival", slug="rival")


@pytest.fixture(scope="session")
def hashed_password() -> str:
    """Return PASSWORD as the product stores it, hashed once: that takes as long as all else that creates a user."""
    return make_password(PASSWORD)


@pytest.fixture
def person(db: Any, hashed_password: str) -> Callable[..., User]:
    """Return a function that creates a user with a confirmed address, a member where an organization is given."""

    def make(name: str, organization: Organization | None = None, role: str = Role.VIEWER, **values: Any) -> User:
        email = f"{name.lower()}@{organization.slug if organization else 'nowhere'}.example"
        user = User.objects.create(email=email, password=hashed_password, name=name, **values)
        EmailAddress.objects.create(user=user, email=email, primary=True, verified=True)
        if organization is not None:
            Membership.objects.create(organization=organization, user=user, role=role)
        return user

    return make


@pytest.fixture
def ada(person: Callable[..., User], acme: Organization) -> User:
    return person("Ada", acme, Role.OWNER)


@pytest.fixture
def ann(person: Callable[..., User], acme: Organization) -> User:
    return person("Ann", acme, Role.ADMIN)


@pytest.fixture
def dev(person: Callable[..., User], acme: Organization) -> User:
    return person("Dev", acme, Role.DEVELOPER)


@pytest.fixture
def vera(person: Callable[..., User], acme: Organization) -> User:
    return person("Vera", acme, Role.VIEWER)


@pytest.fixture
def zed(person: Callable[..., User], rival: Organization) -> User:
    return person("Zed", rival, Role.OWNER)


@dataclass
class Key:
    """An API key: its row and its text, which only a test may keep."""

    row: ApiKey
    text: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.text}"}


@pytest.fixture
def make_key(db: Any) -> Callable[..., Key]:
    """Return a function that creates a key as the system does: ``partner``, with every scope unless given others."""

    def make(
        organization: Organization, *scopes: str, type: str = "partner", actor: Actor | None = None, **values: Any
    ):
        maker = actor or system(organization.pk)
        chosen = scopes or ALL_SCOPES
        values.setdefault("name", "A key")
        row, text = key_actions.create_key(actor=maker, key_type=type, scopes=chosen, **values)
        return Key(row, text)

    return make


@pytest.fixture
def acme_key(make_key: Callable[..., Key], acme: Organization) -> Key:
    return make_key(acme, name="Acme's key")


@pytest.fixture
def rival_key(make_key: Callable[..., Key], rival: Organization) -> Key:
    return make_key(rival, name="Rival's key")


@pytest.fixture
def admin_key(make_key: Callable[..., Key], acme: Organization) -> Key:
    return make_key(acme, "admin", type="internal", name="Acme's own scripts")


class Api:
    """A client of the public API that sends JSON and authenticates with a key."""

    def __init__(self, key: Key | str | None = None) -> None:
        text = key.text if isinstance(key, Key) else key
        self.client = Client(headers={"Authorization": f"Bearer {text}"} if text else {})

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(path: str, body: Any = None, **options: Any) -> Any:
            send = getattr(self.client, method)
            if body is None and method in ("post", "put", "patch"):
                return send(path, b"", content_type="application/json", **options)
            if body is None:
                return send(path, **options)
            return send(path, body, content_type="application/json", **options)

        return call


@pytest.fixture
def api() -> Callable[..., Api]:
    return Api


@pytest.fixture
def browser_of(db: Any) -> Callable[..., Client]:
    """Return a function that signs a user in; ``confirmed``: the password was typed within the last 15 minutes.

    A user with a second factor has passed the second step too, unless ``second_step`` is false.
    """

    def sign_in(user: User, confirmed: bool = True, second_step: bool = True) -> Client:
        client = Client()
        client.force_login(user)
        session = client.session
        at = time.time() - (0 if confirmed else 3600)
        records = [{"method": "password", "at": at}]
        factor = Authenticator.objects.filter(user=user).first()
        if second_step and factor is not None:
            records.append({"method": "mfa", "at": at, "type": factor.type, "id": factor.pk})
        session[AUTHENTICATION_METHODS_SESSION_KEY] = records
        session["account_authentication_methods_user"] = str(user.pk)
        session.save()
        return client

    return sign_in

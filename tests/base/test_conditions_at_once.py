"""Concurrent changes with the same ``If-Match``: one succeeds, on both databases."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.db import transaction

from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.orgs.accounts import actions
from apps.sdk_keys import actions as sdk_actions
from apps.sdk_keys.models import SdkKey
from apps.webhooks.models import EndpointSecret
from tests.conftest import Api
from tests.engines import in_threads, make_endpoint
from tests.sdk_keys.conftest import BUNDLE, App, make_sdk_key  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)
AT_ONCE, ROUNDS = 4, 3

Change = Callable[[Api, int, dict[str, str]], Any]


def race(admin_key: Any, path: str, *changes: Change) -> list[Counter]:
    """Change an object in four threads at once after each has read it, three times."""
    outcomes = []
    for _ in range(ROUNDS):
        tag = {"If-Match": Api(admin_key).get(path)["ETag"]}

        def change(number: int, tag: dict[str, str] = tag) -> int:
            return changes[number % len(changes)](Api(admin_key), number, tag).status_code

        outcomes.append(Counter(in_threads(AT_ONCE, change)))
    return outcomes


def patch(path: str, name: str) -> Change:
    return lambda ours, number, tag: ours.patch(path, {name: f"{number} {tag}"[:99]}, headers=tag)


def post(path: str) -> Change:
    return lambda ours, number, tag: ours.post(path, {}, headers=tag)


# What each thread sets is news: a change of nothing fails nobody's condition.
ONE = [Counter({200: 1, 412: AT_ONCE - 1})] * ROUNDS


def entries(action: str) -> int:
    return AuditEntry.objects.filter(action=action).count()


def test_a_user(admin_key, vera):
    assert race(admin_key, f"/v1/users/{vera.public_id}", patch(f"/v1/users/{vera.public_id}", "name")) == ONE
    assert entries("user.updated") == ROUNDS


def test_an_api_key(admin_key, acme_key):
    path = f"/v1/api-keys/{acme_key.row.public_id}"
    assert race(admin_key, path, patch(path, "name")) == ONE
    assert entries("api_key.updated") == ROUNDS


def test_an_endpoint(admin_key, acme):
    path = f"/v1/webhook-endpoints/{make_endpoint(acme).public_id}"
    assert race(admin_key, path, patch(path, "description"), post(f"{path}/rotate-secret")) == ONE
    assert entries("endpoint.updated") + entries("endpoint.secret_rotated") == ROUNDS
    assert EndpointSecret.objects.count() == 1 + entries("endpoint.secret_rotated")


def test_an_sdk_key_and_what_it_shares_with_its_successor(admin_key, acme, make_sdk_key):  # noqa: F811
    """A change waits for the lock on the new key, and then sees what the old key's change did to both meanwhile."""
    old = make_sdk_key(activation_limit=1).row
    new, _text = sdk_actions.rotate_sdk_key(actor=system(acme.pk), key_id=old.public_id)
    path, ended = f"/v1/sdk-keys/{new.public_id}", []
    early: list[tuple[str, int]] = []
    tag = {"If-Match": Api(admin_key).get(path)["ETag"]}
    held = threading.Event()

    def act(number: int) -> None:
        if number == 0:
            with transaction.atomic():
                list(SdkKey.objects.filter(pk=new.pk).select_for_update())
                held.set()
                time.sleep(1)
                early.extend(ended)
            return
        held.wait(5)
        time.sleep(0.2 * number)
        if number == 1:
            ended.append(("new", Api(admin_key).patch(path, {"name": "Changed"}, headers=tag).status_code))
        else:
            changed = Api(admin_key).patch(f"/v1/sdk-keys/{old.public_id}", {"activation_limit": 5})
            ended.append(("old", changed.status_code))

    in_threads(3, act)
    assert ("old", 200) in ended and len(ended) == 2
    assert ("old", 200) not in early or ("new", 412) in ended
    assert Api(admin_key).patch(path, {"name": "Late"}, headers=tag).status_code == 412


def test_devices_that_come_while_a_key_is_changed(admin_key, make_sdk_key):  # noqa: F811
    """Both lock the key and its pool: in different orders the database would abort one as a deadlock."""
    key = make_sdk_key()
    path = f"/v1/sdk-keys/{key.row.public_id}"

    def come_or_change(number: int) -> set[int]:
        if number % 2:
            return {App(key, app_id=BUNDLE).activate(f"phone-{number}-{turn}").status_code for turn in range(6)}
        return {Api(admin_key).patch(path, {"name": f"{number} {turn}"}).status_code for turn in range(6)}

    assert set().union(*in_threads(AT_ONCE, come_or_change)) == {200, 201}


def test_somebody_who_renames_themselves_meanwhile(admin_key, acme, vera):
    """The organization changes only the address; the member's own new name stays."""
    herself = replace(system(acme.pk), pk=vera.pk)
    for turn in range(ROUNDS):

        def act(number: int, turn: int = turn) -> None:
            if number % 2:
                Api(admin_key).patch(f"/v1/users/{vera.public_id}", {"email": f"v{turn}{number}@acme.example"})
            else:
                actions.rename_account(actor=herself, name=f"Mine {turn}")

        in_threads(AT_ONCE, act)
        vera.refresh_from_db()
        assert vera.name == f"Mine {turn}" and vera.email.startswith(f"v{turn}")

"""A new pepper: old digests go on working, become new ones at their next use, and what is left is reported."""

import json

import pytest
from django.core.management import call_command

from apps.api_keys import actions
from apps.api_keys.models import ApiKey
from apps.base.actor import system

pytestmark = pytest.mark.django_db(transaction=True)
NEW = {"p2": b"q" * 32}


@pytest.fixture
def rotated(settings):
    """Puts a new pepper in front, as an operator does."""

    def rotate():
        settings.KEY_PEPPERS = NEW | settings.KEY_PEPPERS

    return rotate


def report(capsys):
    call_command("rotate_pepper", json=True)
    return json.loads(capsys.readouterr().out)


def test_a_key_is_digested_anew_at_its_next_use(api, acme_key, make_key, acme, rotated, settings, capsys):
    idle = make_key(acme, "users:read")
    revoked = make_key(acme, "users:read")
    actions.revoke_key(actor=system(acme.pk), key_id=revoked.row.public_id)
    rotated()
    assert report(capsys) == {
        "current": "p2", "digested_under_current": 0, "left": {"t1": 2}, "without_a_configured_pepper": 0,
        "may_be_removed": [],
    }  # fmt: skip
    assert [api(acme_key).get("/v1/me").status_code for _ in range(3)] == [200] * 3
    row = ApiKey.objects.get(pk=acme_key.row.pk)
    assert row.pepper_id == "p2" and row.digest != acme_key.row.digest
    assert report(capsys)["left"] == {"t1": 1}
    assert api(idle).get("/v1/me").status_code == 200
    assert report(capsys) | {"current": ""} == {
        "current": "", "digested_under_current": 2, "left": {"t1": 0}, "without_a_configured_pepper": 0,
        "may_be_removed": ["t1"],
    }  # fmt: skip
    settings.KEY_PEPPERS = NEW
    assert [api(key).get("/v1/me").status_code for key in (acme_key, idle)] == [200, 200]


def test_a_retired_pepper_ends_what_was_left_under_it(api, acme_key, settings, capsys):
    settings.KEY_PEPPERS = NEW
    assert api(acme_key).get("/v1/me").json()["code"] == "invalid_api_key"
    assert report(capsys)["without_a_configured_pepper"] == 1
    assert ApiKey.objects.get(pk=acme_key.row.pk).digest == acme_key.row.digest


def test_a_wrong_secret_digests_nothing(api, acme_key, make_key, acme, rotated):
    from apps.base.crypto.secrets import checksum

    rotated()
    body = acme_key.text[:16] + "0" * 32
    assert api(body + checksum(body)).get("/v1/me").json()["code"] == "invalid_api_key"
    assert ApiKey.objects.get(pk=acme_key.row.pk).pepper_id == "t1"


def test_a_database_that_refuses_does_not_refuse_the_call(api, acme_key, rotated, monkeypatch, caplog):
    from django.db import DatabaseError
    from django.db.models import QuerySet

    def refuse(*_arguments, **_values):
        raise DatabaseError("read-only")

    rotated()
    monkeypatch.setattr(QuerySet, "update", refuse)
    assert api(acme_key).get("/v1/me").status_code == 200
    assert "digested anew" in caplog.text and acme_key.text not in caplog.text


def test_the_report_for_people(acme_key, rotated, capsys):
    rotated()
    call_command("rotate_pepper")
    assert "left: t1=1" in capsys.readouterr().out

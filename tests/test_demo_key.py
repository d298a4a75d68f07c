"""The demo's API key: the same at each start, for as long as it works."""

import stat

import pytest

from apps.api_keys import actions
from apps.api_keys.models import ApiKey
from apps.base.actor import system
from integrations_portal.demo import api_key

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(api_key, "KEY_FILE", tmp_path / "demo.key")
    return tmp_path / "demo.key"


def test_it_survives_a_restart_in_a_file_of_its_owner_alone(acme, api, kept):
    first = api_key.demo_key()
    assert api_key.demo_key() == first and kept.read_text() == f"{first}\n"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert api(first).get("/v1/me").json()["key"]["name"] == "Demo key"
    assert ApiKey.objects.filter(name="Demo key").count() == 1


def revoke(row, actor, kept):
    actions.revoke_key(actor=actor, key_id=row.public_id, reason="")


def disable(row, actor, kept):
    actions.disable_key(actor=actor, key_id=row.public_id, reason="A test")


def lose(row, actor, kept):
    kept.unlink()


def spoil(row, actor, kept):
    kept.write_text(kept.read_text()[:-2] + "\n")


@pytest.mark.parametrize("end", [revoke, disable, lose, spoil])
def test_one_that_works_no_longer_is_replaced_and_ends(acme, api, kept, end):
    first = api_key.demo_key()
    end(ApiKey.objects.get(), system(acme.pk), kept)
    second = api_key.demo_key()
    assert second != first and api_key.demo_key() == second
    assert api(first).get("/v1/me").status_code == 401 and api(second).get("/v1/me").status_code == 200

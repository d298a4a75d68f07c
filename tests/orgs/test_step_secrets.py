"""Secrets of authenticator apps are encrypted, each for its account; those of an older version are taken over."""

import importlib
import io
import json

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.core.management import call_command
from django.db import connection

from apps.base.crypto.authenticator_secrets import decrypt_secret, encrypt_secret, reencrypt
from apps.base.crypto.encrypted_fields import CannotDecrypt
from apps.base.crypto.reencryption import reencrypt_all, undecryptable_values, values_under_older_keys
from apps.base.web import second_step
from tests.authenticators import SECRET, code_now, give_app
from tests.orgs.test_second_step import set_up

pytestmark = pytest.mark.django_db
OLD, NEW = b"o" * 32, b"n" * 32
MIGRATION = importlib.import_module("apps.base.migrations.0002_secrets_of_authenticator_apps_are_encrypted")


def stored():
    """Every row of the table as the database holds it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        return str(cursor.fetchall())


def kept(user):
    return Authenticator.objects.get(user=user, type="totp").data["secret"]


def test_what_is_set_up_is_nowhere_in_clear_and_works(browser_of, ada):
    browser = browser_of(ada)
    _page, secret, setup = set_up(browser)
    browser.post("/account/2fa/totp/activate/", {"setup": setup, "code": code_now(secret)})
    assert secret not in stored() and kept(ada).startswith("v1:")
    assert secret not in "".join(str(value) for value in dict(browser.session.items()).values())
    assert decrypt_secret(Authenticator.objects.get(user=ada, type="totp")) == secret
    assert second_step.use_code(ada, code_now(secret, 1))
    assert second_step.use_code(ada, code_now(secret, 1)) is None


def test_another_accounts_ciphertext_opens_nothing(ada, ann):
    row = give_app(ada)
    row.data["secret"] = encrypt_secret(SECRET, ann.pk)
    row.save()
    with pytest.raises(CannotDecrypt):
        decrypt_secret(row)
    assert second_step.use_code(ada, code_now()) is None


def test_a_missing_key_shuts_the_app_out_and_recovery_codes_in(ada, settings, caplog):
    settings.ENCRYPTION_KEYS = {"old": OLD}
    row = give_app(ada)
    reencrypt(row.pk)
    codes, data = second_step.new_recovery_codes()
    Authenticator.objects.create(user=ada, type="recovery_codes", data=data)
    settings.ENCRYPTION_KEYS = {"new": NEW}
    assert second_step.use_code(ada, code_now()) is None and "'old'" in caplog.text
    assert undecryptable_values() == {"old": 1}
    assert second_step.use_code(ada, codes[0])


def test_one_that_an_older_version_wrote_works_and_is_encrypted_by_its_use(ada):
    give_app(ada)
    assert SECRET in stored() and undecryptable_values() == {}
    assert second_step.use_code(ada, "000000") is None
    assert second_step.use_code(ada, code_now())
    assert SECRET not in stored() and second_step.use_code(ada, code_now(steps=1))


def test_the_migration_encrypts_what_is_there_and_goes_back(ada, ann, vera, monkeypatch):
    monkeypatch.setattr("apps.base.crypto.authenticator_secrets.BATCH", 1)
    for user in (ada, ann):
        give_app(user)
    Authenticator.objects.filter(user=ada).update(data={"secret": SECRET, "last_counter": 7})
    Authenticator.objects.create(user=vera, type="totp", data={})
    MIGRATION.encrypt(apps, None)
    assert SECRET not in stored() and kept(ada) != kept(ann)
    assert Authenticator.objects.get(user=ada).data["last_counter"] == 7
    before = kept(ada)
    MIGRATION.encrypt(apps, None)
    assert kept(ada) == before
    MIGRATION.write_in_clear(apps, None)
    assert kept(ada) == kept(ann) == SECRET
    assert Authenticator.objects.get(user=vera).data == {}


def test_a_new_encryption_key_takes_them_along(ada, ann, acme, settings):
    settings.ENCRYPTION_KEYS = {"old": OLD}
    reencrypt(give_app(ada).pk)
    give_app(ann)
    settings.ENCRYPTION_KEYS = {"new": NEW, "old": OLD}
    assert values_under_older_keys() == {"old": 1, "-": 1}
    out = io.StringIO()
    call_command("rotate_encryption_key", "--json", stdout=out)
    assert json.loads(out.getvalue())["encrypted_anew"] == 2 and not values_under_older_keys()
    settings.ENCRYPTION_KEYS = {"new": NEW}
    assert kept(ada).startswith("v1:new:")
    for user in (ada, ann):
        assert second_step.use_code(user, code_now())


def test_what_does_not_open_is_counted_and_left(ada, ann, settings):
    row = give_app(ada)
    row.data["secret"] = "v1:gone:AAAA:AAAA"
    row.save()
    done = reencrypt_all()
    assert (done.renewed, done.unreadable, dict(done.left)) == (0, 1, {"gone": 1})
    assert kept(ada) == "v1:gone:AAAA:AAAA"

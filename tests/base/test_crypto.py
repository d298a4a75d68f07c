"""What is encrypted opens with the right key, in its own row and field, and nowhere else."""

import base64

import pytest
from django.db import connection

from apps.base.crypto.encrypted_fields import CannotDecrypt, Ciphertext, binding, seal, unseal
from apps.base.identifiers import new_uuid
from apps.webhooks.models import Endpoint, EndpointSecret
from tests.engines import make_endpoint

OLD, NEW = b"o" * 32, b"n" * 32
ROW, ORGANIZATION = new_uuid(), new_uuid()
HERE = binding("webhooks_endpoint", ROW, ORGANIZATION, "headers")


def test_what_was_sealed_opens_again():
    for text in ("", "whsec_abc", "ü → 漢字 🔑", "x" * 10_000):
        sealed = seal(text, HERE)
        assert isinstance(sealed, Ciphertext) and text not in (sealed, "") or text == ""
        assert unseal(sealed, HERE) == text


def test_the_same_text_never_looks_the_same():
    assert len({seal("the same", HERE) for _ in range(100)}) == 100


def test_the_form_names_its_version_and_key(settings):
    settings.ENCRYPTION_KEYS = {"k7": NEW}
    version, key_id, nonce, ciphertext = seal("text", HERE).split(":")
    assert (version, key_id) == ("v1", "k7")
    assert len(base64.urlsafe_b64decode(nonce)) == 12
    assert len(base64.urlsafe_b64decode(ciphertext)) == len("text") + 16


@pytest.mark.parametrize(
    "elsewhere",
    [
        binding("webhooks_endpointsecret", ROW, ORGANIZATION, "headers"),
        binding("webhooks_endpoint", new_uuid(), ORGANIZATION, "headers"),
        binding("webhooks_endpoint", ROW, new_uuid(), "headers"),
        binding("webhooks_endpoint", ROW, ORGANIZATION, "secret"),
        b"",
    ],
    ids=["table", "row", "organization", "field", "nothing"],
)
def test_a_ciphertext_opens_only_where_it_belongs(elsewhere):
    with pytest.raises(CannotDecrypt):
        unseal(seal("text", HERE), elsewhere)


def test_no_binding_can_be_written_in_two_ways():
    """The parts are joined by a character that none of them can hold."""
    assert binding("a", ROW, ORGANIZATION, "b_c") != binding("a_b", ROW, ORGANIZATION, "c")
    assert HERE.count(b"\0") == 3


@pytest.mark.parametrize("place", range(4))
def test_a_changed_part_is_refused(place):
    parts = seal("text", HERE).split(":")
    if place < 2:
        parts[place] += "x"
    else:
        raw = bytearray(base64.urlsafe_b64decode(parts[place]))
        raw[-1] ^= 1
        parts[place] = base64.urlsafe_b64encode(raw).decode()
    with pytest.raises(CannotDecrypt):
        unseal(":".join(parts), HERE)


@pytest.mark.parametrize(
    "text", ["", "plain text", "v1:t1:", "v1:t1::", "v1:t1:!:!", "v1:t1:AAAA:AAAA", "v2:t1:AA:AA", "a:b:c:d:e"]
)
def test_what_was_never_sealed_is_refused(text):
    with pytest.raises(CannotDecrypt):
        unseal(text, HERE)


def test_a_refusal_tells_nothing_of_what_was_inside():
    sealed = seal("a secret text", HERE)
    with pytest.raises(CannotDecrypt) as refused:
        unseal(sealed, b"elsewhere")
    assert "secret" not in str(refused.value) and sealed not in str(refused.value)
    assert refused.value.__suppress_context__


def test_a_rotation_reads_both_keys_and_writes_the_first(settings):
    settings.ENCRYPTION_KEYS = {"old": OLD}
    before = seal("text", HERE)
    settings.ENCRYPTION_KEYS = {"new": NEW, "old": OLD}
    assert unseal(before, HERE) == "text"
    after = seal("text", HERE)
    assert after.split(":")[1] == "new"
    settings.ENCRYPTION_KEYS = {"new": NEW}
    assert unseal(after, HERE) == "text"
    with pytest.raises(CannotDecrypt):
        unseal(before, HERE)


def test_the_id_of_a_key_does_not_make_it_another_key(settings):
    settings.ENCRYPTION_KEYS = {"k": OLD}
    sealed = seal("text", HERE)
    settings.ENCRYPTION_KEYS = {"k": NEW}
    with pytest.raises(CannotDecrypt):
        unseal(sealed, HERE)


# In the database


def stored(table: str, column: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} ORDER BY id")
        return [row[0] for row in cursor.fetchall()]


@pytest.mark.django_db
def test_a_row_holds_ciphertext_and_reads_as_text(acme):
    make_endpoint(acme, headers={"X-Team": "blue"})
    assert Endpoint.objects.get().headers == '{"X-Team":"blue"}'
    assert EndpointSecret.objects.get().secret.startswith("whsec_")
    for text in (*stored("webhooks_endpoint", "headers"), *stored("webhooks_endpointsecret", "secret")):
        assert text.startswith("v1:t1:") and "blue" not in text and "whsec" not in text


@pytest.mark.django_db
def test_a_ciphertext_that_was_moved_to_another_row_does_not_open(acme, rival):
    mine, theirs = make_endpoint(acme, headers={"X": "acme"}), make_endpoint(rival, headers={"X": "rival"})
    with connection.cursor() as cursor:
        cursor.execute("SELECT headers FROM webhooks_endpoint WHERE url = %s ORDER BY id LIMIT 1", [mine.url])
        moved = cursor.fetchone()[0]
    Endpoint.objects.filter(pk=theirs.pk).update(description="")  # the row itself is fine
    with connection.cursor() as cursor:
        key = theirs.pk if connection.vendor == "postgresql" else theirs.pk.hex
        cursor.execute("UPDATE webhooks_endpoint SET headers = %s WHERE id = %s", [moved, key])
    with pytest.raises(CannotDecrypt):
        _ = Endpoint.objects.get(pk=theirs.pk).headers
    assert Endpoint.objects.get(pk=mine.pk).headers == '{"X":"acme"}'


@pytest.mark.django_db
def test_saving_a_row_that_was_only_read_keeps_its_ciphertext(acme):
    make_endpoint(acme, headers={"X-Team": "blue"})
    before = stored("webhooks_endpoint", "headers")
    endpoint = Endpoint.objects.get()
    endpoint.description = "changed"
    endpoint.save()
    assert stored("webhooks_endpoint", "headers") == before
    endpoint.headers = '{"X-Team":"red"}'
    endpoint.save()
    assert stored("webhooks_endpoint", "headers") != before
    assert Endpoint.objects.get().headers == '{"X-Team":"red"}'


@pytest.mark.django_db
def test_a_row_that_is_only_listed_is_never_decrypted(acme, settings):
    make_endpoint(acme)
    settings.ENCRYPTION_KEYS = {"other": NEW}
    assert [endpoint.url for endpoint in Endpoint.objects.all()] == ["https://hooks.example.com/in"]

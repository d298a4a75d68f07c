"""Keys as text (docs/api.md): their form, their checksum, their digest and their mask."""

import binascii
import hashlib
import hmac
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.base.crypto import secrets
from apps.base.crypto.secrets import (
    checksum,
    digest,
    mask,
    matches,
    new_key,
    parse_key,
)

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
LETTERS = st.text(DIGITS, min_size=44, max_size=44)


def independent_checksum(text: str) -> str:
    """CRC-32 bit by bit (ISO 3309), and base 62 by division: nothing of what the product uses."""
    crc = 0xFFFFFFFF
    for byte in text.encode():
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xEDB88320 if crc & 1 else 0)
    number = crc ^ 0xFFFFFFFF
    return "".join(DIGITS[number // 62**place % 62] for place in range(5, -1, -1))


# CRC-32 as gzip writes it at the end of a file, then by hand in base 62.
VECTORS = {"": "000000", "123456789": "3jZRME", "ipk_" + "0" * 44: "30Ewdi", "ips_" + "z" * 44: "1MNAOY"}


def test_the_independent_checksum_is_right():
    """The check value of CRC-32 is published: CBF43926 for the nine digits."""
    number = 0
    for letter in independent_checksum("123456789"):
        number = number * 62 + DIGITS.index(letter)
    assert number == 0xCBF43926


@pytest.mark.parametrize("text", VECTORS)
def test_checksums_of_known_texts(text):
    assert checksum(text) == VECTORS[text] == independent_checksum(text)


@given(st.sampled_from(["ipk_", "ips_"]), LETTERS)
def test_checksums_of_any_key(prefix, letters):
    text = prefix + letters
    assert checksum(text) == independent_checksum(text)
    assert re.fullmatch(r"[0-9A-Za-z]{6}", checksum(text))
    assert parse_key(text + checksum(text)).plaintext == text + checksum(text)


@pytest.mark.parametrize("prefix", ["ipk_", "ips_"])
def test_a_new_key_has_the_documented_form(prefix):
    key = new_key(prefix)
    assert re.fullmatch(prefix + "[0-9A-Za-z]{50}", key.plaintext)
    assert (key.key_id, key.last_four) == (key.plaintext[4:16], key.plaintext[-4:])
    assert key.plaintext[-6:] == independent_checksum(key.plaintext[:-6])
    assert parse_key(key.plaintext) == key


def test_keys_come_from_the_systems_random_source(monkeypatch):
    asked = []
    monkeypatch.setattr(secrets.secrets, "choice", lambda letters: asked.append(letters) or "a")
    assert new_key("ipk_").plaintext.startswith("ipk_" + "a" * 44)
    assert asked == [DIGITS] * 44


def test_a_thousand_keys_are_different_in_both_parts():
    keys = [new_key("ipk_") for _ in range(1000)]
    assert len({key.key_id for key in keys}) == len({key.plaintext[16:48] for key in keys}) == 1000


@given(LETTERS, st.integers(4, 47), st.sampled_from(DIGITS))
def test_one_wrong_letter_is_noticed(letters, place, letter):
    text = "ipk_" + letters
    wrong = text[:place] + letter + text[place + 1 :]
    assert (parse_key(wrong + checksum(text)) is None) == (wrong != text)


@pytest.mark.parametrize("change", [
    lambda text: "", lambda text: text[:-1], lambda text: text + "a", lambda text: " " + text, lambda text: text + "\n",
    lambda text: text.upper(), lambda text: text.replace("ipk_", "ipx_"), lambda text: text.replace("_", "-"),
    lambda text: text[4:], lambda text: text[:10] + "é" + text[11:], lambda text: text[:10] + "\x00" + text[11:],
    lambda text: text[:10] + "１" + text[11:], lambda text: text[:10] + "_" + text[11:], lambda text: text * 1000,
])  # fmt: skip
def test_what_is_no_key_is_none(change):
    assert parse_key(change(new_key("ipk_").plaintext)) is None


def test_the_digest_is_hmac_of_the_whole_key(settings):
    settings.KEY_PEPPERS = {"p1": b"p" * 32}
    text = new_key("ipk_").plaintext
    assert digest(text, "p1") == hmac.new(b"p" * 32, text.encode(), hashlib.sha256).hexdigest()
    assert digest(text, "p1") != binascii.hexlify(hashlib.sha256(text.encode()).digest()).decode()


def test_a_digest_matches_its_own_key_and_pepper_only(settings):
    settings.KEY_PEPPERS = {"new": b"n" * 32, "old": b"o" * 32}
    text, other = new_key("ipk_").plaintext, new_key("ipk_").plaintext
    stored = digest(text, "old")
    assert matches(text, stored, "old")
    assert not matches(other, stored, "old")
    assert not matches(text, stored, "new")
    settings.KEY_PEPPERS = {"new": b"n" * 32}
    assert not matches(text, stored, "old")


def test_a_retired_pepper_never_matches_even_where_the_current_one_would(settings):
    settings.KEY_PEPPERS = {"new": b"n" * 32}
    text = new_key("ipk_").plaintext
    assert not matches(text, digest(text, "new"), "retired")


def test_comparing_takes_constant_time(settings, monkeypatch):
    compared = []
    monkeypatch.setattr(secrets.hmac, "compare_digest", lambda *pair: compared.append(pair) or True)
    assert not matches("ipk_x", "0" * 64, "retired")
    assert matches("ipk_x", "0" * 64, secrets.current_pepper())
    assert len(compared) == 2


@pytest.mark.parametrize("prefix", ["ipk_", "ips_"])
def test_the_mask_shows_four_of_the_id_and_the_last_four(prefix):
    key = new_key(prefix)
    shown = mask(prefix, key.key_id, key.last_four)
    assert shown == f"{prefix}{key.key_id[:4]}••••{key.plaintext[-4:]}"
    assert key.plaintext[8:-4] not in shown and len(shown) == 16

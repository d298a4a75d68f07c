"""Public ids: a UUID written as 22 letters and digits, and back."""

import re
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.base.identifiers import ALPHABET, base62, decode, encode, new_uuid, uuid_at

ORDERED_UUIDS = st.uuids(allow_nil=True)
LARGEST = uuid.UUID(int=(1 << 128) - 1)


@given(ORDERED_UUIDS)
def test_an_id_leads_back_to_its_key(key):
    text = encode("evt", key)
    assert re.fullmatch(r"evt_[0-9A-Za-z]{22}", text)
    assert decode("evt", text) == key


@given(ORDERED_UUIDS, ORDERED_UUIDS)
def test_ids_sort_as_their_keys(first, second):
    assert (encode("evt", first) < encode("evt", second)) == (first < second)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (uuid.UUID(int=0), "evt_" + "0" * 22),
        (uuid.UUID(int=61), "evt_" + "0" * 21 + "z"),
        (uuid.UUID(int=62), "evt_" + "0" * 20 + "10"),
        (LARGEST, "evt_7n42DGM5Tflk9n8mt7Fhc7"),
    ],
)
def test_known_ids(key, text):
    assert encode("evt", key) == text and decode("evt", text) == key


@given(st.text(max_size=60))
def test_any_text_is_parsed_without_an_error(text):
    assert decode("evt", text) is None or encode("evt", decode("evt", text)) == text


@given(st.text(ALPHABET, min_size=22, max_size=22))
def test_an_id_has_one_spelling(tail):
    key = decode("evt", f"evt_{tail}")
    assert key is None or encode("evt", key) == f"evt_{tail}"


@pytest.mark.parametrize("text", [
    "", "evt", "evt_", "_" + "0" * 22, "0" * 22, "evt_" + "0" * 21, "evt_" + "0" * 23, "EVT_" + "0" * 22,
    "key_" + "0" * 22, "evt__" + "0" * 21, "evt-" + "0" * 22, " evt_" + "0" * 22, "evt_" + "0" * 22 + "\n",
    "evt_" + "0" * 21 + "é", "evt_" + "0" * 21 + "\x00", "evt_" + "0" * 21 + "１", "evt_" + "z" * 22,
    "evt_7n42DGM5Tflk9n8mt7Fhc8", str(LARGEST), "evt_" + str(LARGEST), "evt_" + "0" * 100_000,
])  # fmt: skip
def test_what_is_no_id_is_none(text):
    assert decode("evt", text) is None


def test_new_keys_are_version_7_and_in_order_of_time():
    keys = [new_uuid() for _ in range(1000)]
    assert len(set(keys)) == 1000
    assert {(key.version, key.variant) for key in keys} == {(7, uuid.RFC_4122)}
    assert [key.int >> 80 for key in keys] == sorted(key.int >> 80 for key in keys)


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)))
def test_a_key_of_the_past_sorts_as_the_past(moment):
    key = uuid_at(moment)
    assert (key.version, key.variant) == (7, uuid.RFC_4122)
    assert key.int >> 80 == int(moment.timestamp() * 1000)
    assert key < uuid_at(moment + timedelta(milliseconds=2))


@given(st.integers(0, 62**10))
def test_base_62(number):
    text = base62(number, 11)
    assert len(text) == 11 and set(text) <= set(ALPHABET)
    back = 0
    for letter in text:
        back = back * 62 + ALPHABET.index(letter)
    assert back == number

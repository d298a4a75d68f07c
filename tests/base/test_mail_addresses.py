"""Which addresses are taken, and the one spelling of each."""

import pytest
from django.core.exceptions import ValidationError

from apps.base.text.email_validation import ascii_email, email_spellings, normalize_email, validate_email_address

pytestmark = pytest.mark.pure


@pytest.mark.parametrize(("written", "canonical", "wire"), [
    ("Mia@Example.COM", "mia@example.com", "mia@example.com"),
    (" mia@example.com\n", "mia@example.com", "mia@example.com"),
    ("Mia@BÜCHER.example", "mia@bücher.example", "mia@xn--bcher-kva.example"),
    ("mia@bu\u0308cher.example", "mia@bücher.example", "mia@xn--bcher-kva.example"),
    ("mia@XN--BCHER-KVA.example", "mia@bücher.example", "mia@xn--bcher-kva.example"),
    ("mia@bücher。example", "mia@bücher.example", "mia@xn--bcher-kva.example"),
    ("mia@straße.example", "mia@straße.example", "mia@xn--strae-oqa.example"),
    ("mia@xn--strae-oqa.example", "mia@straße.example", "mia@xn--strae-oqa.example"),
    ("mia@ΟΔΟΣ.example", "mia@οδοσ.example", "mia@xn--pxavbq.example"),
    ("mia@例え.テスト", "mia@例え.テスト", "mia@xn--r8jz45g.xn--zckzah"),
    ("mia@[192.0.2.1]", "mia@[192.0.2.1]", "mia@[192.0.2.1]"),
])  # fmt: skip
def test_an_address_has_one_spelling(written, canonical, wire):
    assert normalize_email(written) == canonical == normalize_email(canonical) == normalize_email(wire)
    assert ascii_email(canonical) == wire == ascii_email(wire)
    assert {canonical, wire} <= email_spellings(written)
    validate_email_address(canonical)


@pytest.mark.parametrize("text", [
    "", "@", "no-at", "@example.com", "mia@", "mia@nodots", "a@b@c.example", "mia@-ü.example", "mia@ü-.example",
    "mia@bücher.example.", "mia@bücher..example", "éx@example.com", "ſx@example.com", "ıx@example.com",
    "\u212ax@example.com", "İx@example.com", "ｍia@example.com", "mia@\u212a.example", "mia@ſx.example",
    "mia@ſx.bücher.example", "mia@ｅxample.com", "mia@a\u00adb.example", "mia@ex\u200dample.example",
    "mia@xn--a.example", "mia@xn--.example", "mia@xn--zzzzzzzzz.example", "mia@\u2028.example", "mia\u202e@example.com",
    '"a\rb"@example.com', "mia@" + "ü" * 60 + ".example", "x" * 250 + "@example.com", "mia@" + "ü." * 300 + "example",
    "mia@☕.example", "mia@xn--53h.example", "mia@example.com\0",
])  # fmt: skip
def test_what_is_none_is_refused_with_one_sentence_and_read_without_harm(text):
    with pytest.raises(ValidationError) as refusal:
        validate_email_address(normalize_email(text))
    assert refusal.value.messages == ["Enter a valid email address."]
    assert email_spellings(text) and ascii_email(text) is not None

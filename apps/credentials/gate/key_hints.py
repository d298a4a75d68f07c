"""Hints on texts that were sent as a key but are not one, without repeating any part of them.

Computed only for texts that are not well-formed keys, so valid requests are not slowed down. A hint depends on the
text alone, never on what is stored.
"""

import re
import unicodedata

from apps.base.crypto.secrets import CHECKSUM_LENGTH, ID_LENGTH, KEY, SECRET_LENGTH
from apps.base.web.middleware import decode_header

PREFIX = re.compile(r"(?<![\w.-])ip[ks]_", re.ASCII)
KEY_LENGTH = len("ipk_") + ID_LENGTH + SECRET_LENGTH + CHECKSUM_LENGTH
MAX_EXAMINED_LENGTH = 200
UNREADABLE = (
    "The header %s was sent, but it, or a part of it between commas, is empty or has characters outside ASCII, such as"
    " the dots of a masked key, curly quotes or an invisible space. Copy the key again, as it was shown when created."
)
PATTERN_HINTS = (
    (r"(?:%[0-9a-f]{2})+ip[ks]_|ip[ks]_\w*%[0-9a-f]{2}", "The key is percent-encoded. Send it as it is."),
    (r"whsec_", "This is a webhook signing secret, not an API key."),
    (
        r"ip[ks]_[0-9A-Za-z]{0,12}(?:[•·∙●*]{2,}|\.{2,}|…|xxx)",
        "This is the masked form of a key, as lists show it. The key itself was shown once, when it was created.",
    ),
    (r"eyJ[\w-]+\.", "This is a JSON Web Token, not an API key."),
    (r"[\"'`“”„‘’«»‹›<(\[{]+\s*ip[ks]_|[\"'`“”„‘’«»‹›]", "The key is in quotes or brackets. Send it without them."),
    (
        r"[$%]\{?\w+[}%]?$|\$?\{\{?\s*[\w.]+\s*\}?\}$|<[\w -]+>$|(?:your|api|the)?[_ -]*(?:api)?[_ -]*key$",
        "This is a placeholder. Put the key in its place.",
    ),
    (
        r"(?:bearer|basic|token|x-api-key|api-?key)[\s:=]|[\w-]+[\s:=]+\S*ip[ks]_",
        "Another word, such as a second Bearer, stands before the key.",
    ),
)
PATTERNS = tuple((re.compile(pattern, re.IGNORECASE), sentence) for pattern, sentence in PATTERN_HINTS)
INVISIBLE = "The key has an invisible character in it, such as a zero-width or no-break space. Copy the key again."
SPACE = "The key has a space or a line break in it."
LENGTH = "A key has %d characters; this one has %s."
OTHERS = "A key has only letters and digits after its prefix; this one has other characters."


def hint(text: str) -> str:
    """Return a hint on a text that is not a key; empty for a well-formed key or an unrecognized text."""
    if KEY.fullmatch(text):
        return ""
    text = decode_header(text[:MAX_EXAMINED_LENGTH])
    for pattern, sentence in PATTERNS:
        if pattern.match(text):
            return sentence
    return _odd_characters(text) if PREFIX.search(text) or not text.isascii() else ""


def _odd_characters(text: str) -> str:
    if any(letter in " \t\r\n" for letter in text):
        return SPACE
    if any(unicodedata.category(letter)[0] in "CZ" for letter in text):
        return INVISIBLE
    if re.fullmatch(r"ip[ks]_\w*", text, re.ASCII):
        return LENGTH % (KEY_LENGTH, len(text) if len(text) < MAX_EXAMINED_LENGTH else "more")
    return OTHERS

"""Reports of leaked keys from anyone."""

import re
from dataclasses import replace
from urllib.parse import unquote

from prometheus_client import Counter

from apps.base.actor import Actor
from apps.base.crypto.secrets import ParsedKey, parse_key
from apps.base.text.redaction import redact_and_truncate
from apps.base.text.validation import INVISIBLE_CHARACTERS
from apps.credentials.key_kinds import KEY_KINDS

LEAKS = Counter("portal_leaked_keys_total", "Reports of a leaked key that name a key of this portal.")
MAX_LOCATION_LENGTH = 500
# Runs of characters that can contain part of the key, and the minimum length of such a part.
RUN = re.compile(r"[0-9A-Za-z]{8,}")
MIN_PART_LENGTH = 8
USER_INFO = re.compile(r"(?<=//)[^/?#\s]+@")
MAX_DECODINGS = 3


def report_leak(*, actor: Actor, plaintext: str, where: str = "") -> bool:
    """Apply the organization's leak policy to a key and return whether the key exists.

    The response to the reporter must not depend on the result. ``actor``: the system actor with the reporter's
    address. An unknown id and a wrong secret take the same steps.
    """
    key = parse_key(plaintext)
    kind = KEY_KINDS.get(key.prefix) if key else None
    if key is None or kind is None:
        return False
    row = kind.rows.find(key.key_id, plaintext)
    if row is None:
        return False
    LEAKS.inc()
    own = replace(actor, organization_id=row.organization_id, user_agent=without_key(actor.user_agent, key))
    kind.report_leak(actor=own, key_id=row.public_id, where=without_key(where, key))
    return True


def without_key(where: str, key: ParsedKey) -> str:
    """Return the location of a leaked key on one line, with the key and other secrets redacted.

    Removes every run of letters and digits that shares eight characters with the key, percent-encoded or not, then
    anything that looks like another key, then the user name and password of a URL.
    """
    text = decoded = " ".join(where.split())
    for _ in range(MAX_DECODINGS):
        if _redact_parts(decoded, key) != decoded:
            text = _redact_parts(decoded, key)
            break
        decoded = unquote(decoded)
    # Last, because decoding can produce such characters.
    text = " ".join(INVISIBLE_CHARACTERS.sub(" ", text).split())
    return redact_and_truncate(USER_INFO.sub("", text), MAX_LOCATION_LENGTH)


def _redact_parts(text: str, key: ParsedKey) -> str:
    key_body = key.plaintext.partition("_")[2].lower()
    key_parts = {key_body[start : start + MIN_PART_LENGTH] for start in range(len(key_body) - MIN_PART_LENGTH + 1)}

    def redact(match: re.Match[str]) -> str:
        run = match[0].lower()
        found = any(
            run[start : start + MIN_PART_LENGTH] in key_parts for start in range(len(run) - MIN_PART_LENGTH + 1)
        )
        return "[redacted]" if found else match[0]

    return RUN.sub(redact, text)

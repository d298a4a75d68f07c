"""What strangers do with keys that are not theirs: report that one is public."""

import re
from dataclasses import replace
from urllib.parse import unquote

from prometheus_client import Counter

from apps.audit.timeline.untrusted_text import sanitize
from apps.base.actor import Actor
from apps.base.crypto.secrets import KeyText, parse_key
from apps.base.text.rules import UNREADABLE
from apps.credentials.key_kinds import KINDS

LEAKS = Counter("portal_leaked_keys_total", "Reports of a leaked key that name a key of this portal.")
MAX_LOCATION_LENGTH = 500
# Runs in which a piece of the key may stand, and how long a piece must be to be one.
RUN = re.compile(r"[0-9A-Za-z]{8,}")
PIECE = 8
USER_INFO = re.compile(r"(?<=//)[^/?#\s]+@")
MAX_DECODINGS = 3


def report_leak(*, actor: Actor, text: str, where: str = "") -> bool:
    """Have the app that keeps the key act as its organization wants, and tell whether there is such a key.

    The answer to the reporter must not depend on what is returned. ``actor``: the portal itself, with the reporter's
    address. An unknown id and a wrong secret take the same steps.
    """
    key = parse_key(text)
    kind = KINDS.get(key.prefix) if key else None
    if key is None or kind is None:
        return False
    row = kind.rows.find(key.key_id, text)
    if row is None:
        return False
    LEAKS.inc()
    own = replace(actor, organization_id=row.organization_id, user_agent=without_key(actor.user_agent, key))
    kind.report_leak(actor=own, key_id=row.public_id, where=without_key(where, key))
    return True


def without_key(where: str, key: KeyText) -> str:
    """Return where a key was found on one line, without the key and whatever else may be secret there.

    Every run of letters that shares eight characters with the key goes, percent-encoded or not, then what looks like
    any other key, then the user name and password of a URL.
    """
    text = decoded = " ".join(where.split())
    for _ in range(MAX_DECODINGS):
        if _hide_pieces(decoded, key) != decoded:
            text = _hide_pieces(decoded, key)
            break
        decoded = unquote(decoded)
    # Last, for what is decoded may hold such characters again.
    text = " ".join(UNREADABLE.sub(" ", text).split())
    return sanitize(USER_INFO.sub("", text), MAX_LOCATION_LENGTH)


def _hide_pieces(text: str, key: KeyText) -> str:
    whole = key.text.partition("_")[2].lower()
    pieces = {whole[at : at + PIECE] for at in range(len(whole) - PIECE + 1)}

    def hide(match: re.Match[str]) -> str:
        run = match[0].lower()
        found = any(run[at : at + PIECE] in pieces for at in range(len(run) - PIECE + 1))
        return "[redacted]" if found else match[0]

    return RUN.sub(hide, text)

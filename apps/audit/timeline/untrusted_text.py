"""Sanitizing of untrusted text for the log: secrets, characters that a database rejects, and length."""

import re

from apps.base.telemetry.logging import redact

# PostgreSQL rejects NUL and lone surrogates, and one bad row would delay its whole batch.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def sanitize(text: str, max_length: int) -> str:
    """Return at most ``max_length`` characters of the text, with secrets redacted before it is cut."""
    text = redact(UNSTORABLE.sub("�", text))
    return text if len(text) <= max_length else text[: max_length - 1] + "…"

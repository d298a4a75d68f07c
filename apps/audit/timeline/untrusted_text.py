"""Texts of strangers, made fit for the log: no secret, nothing that a database refuses, no endless value."""

import re

from apps.base.telemetry.logging import redact

# PostgreSQL takes neither NUL nor lone surrogates, and one bad row would hold up the batch that it is in.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def sanitize(text: str, longest: int) -> str:
    """Return at most ``longest`` characters of the text, secrets redacted before it is cut."""
    text = redact(UNSTORABLE.sub("�", text))
    return text if len(text) <= longest else text[: longest - 1] + "…"

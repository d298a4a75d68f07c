"""Redaction of secrets in texts that are logged, stored or shown.

Texts that look like a key, a signing secret or an authorization header are truncated; query values of URLs, which can
be tokens, are masked. Standard library only, because granian's main process logs without Django's settings.
"""

import re
from typing import Any

# The last alternative: a key as the user name of Basic authentication, in base64.
KEY_PATTERN = re.compile(
    r"(ip[ks]_[0-9A-Za-z]{4})[0-9A-Za-z]{8,}|(whsec_)[A-Za-z0-9+/=]{8,}|(aXB[rz]X)[A-Za-z0-9+/=]{40,}"
)
SECRET_PATTERN = re.compile(
    r"(ip[ks]_[0-9A-Za-z]{4})[0-9A-Za-z]{8,}"
    r"|(whsec_)[A-Za-z0-9+/=]{8,}"
    r"|((?-i:aXB[rz]X))[A-Za-z0-9+/=]{40,}"
    r"|(/invitation/)[0-9A-Za-z]{20,}"
    r"|((?:authorization|x-api-key|x-activation-token|cookie)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]+(?: [^\s\"',}]+)?",
    re.IGNORECASE,
)
URL_WITH_QUERY = re.compile(r"https?://[^\s?#\"<>]*\?[^\s\"<>]+", re.IGNORECASE)
QUERY_PART = re.compile(r"[^&;]+")
MASK = "••••"
MAX_NAME_LENGTH = 200
# Last words of the names of fields with secret values: `api_key`, `new_password`, but not `key_type`.
SECRET_WORDS = frozenset({"secret", "secrets", "key", "digest", "password", "token", "pepper", "authorization"})
# PostgreSQL rejects NUL and lone surrogates, and one bad row would delay its whole batch.
UNSTORABLE_CHARACTERS = re.compile("[\x00\ud800-\udfff]")


def hide_query_values(url: str) -> str:
    """Return the URL with all values of its query masked; a parameter without ``=`` is a value."""
    before, mark, query = url.partition("?")
    return before + mark + QUERY_PART.sub(_hide_value, query)


def _hide_value(part: re.Match[str]) -> str:
    name, equals, value = part[0].partition("=")
    return f"{name}={MASK if value else ''}" if equals else MASK


def hide_keys(text: str) -> str:
    """Return the text with each key and signing secret truncated to its first letters."""
    return KEY_PATTERN.sub(lambda match: f"{match[match.lastindex or 0]}[redacted]", text)


def redact(text: str) -> str:
    """Return the text with keys, signing secrets and credential headers truncated, and query values of URLs masked."""
    if "?" in text:
        text = URL_WITH_QUERY.sub(lambda match: hide_query_values(match[0]), text)
    return SECRET_PATTERN.sub(lambda match: f"{match[match.lastindex or 0]}[redacted]", text)


def redact_and_truncate(text: str, max_length: int) -> str:
    """Return at most ``max_length`` characters of the text, with secrets redacted before it is cut."""
    text = redact(UNSTORABLE_CHARACTERS.sub("�", text))
    return text if len(text) <= max_length else text[: max_length - 1] + "…"


def sanitize_json(value: Any, max_length: int) -> Any:
    """Return a JSON value with each text redacted and truncated, and secret fields, by their names, replaced."""
    if isinstance(value, str):
        return redact_and_truncate(value, max_length)
    if isinstance(value, list):
        return [sanitize_json(item, max_length) for item in value]
    if isinstance(value, dict):
        return {
            redact_and_truncate(name, MAX_NAME_LENGTH): "[redacted]"
            if is_secret(name)
            else sanitize_json(item, max_length)
            for name, item in value.items()
        }
    return value


def is_secret(field: str) -> bool:
    """Return whether a field has a secret value, judged by the last word of its name."""
    return field.lower().replace("-", "_").rpartition("_")[2] in SECRET_WORDS

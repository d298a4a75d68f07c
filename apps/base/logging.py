"""JSON logs on one stream, with the request id on every line and no secret on any.

Redaction works on the finished line's values: whatever looks like a key, a signing secret or an authorization
header is cut, wherever a library put it. So are the query values of URLs: servers take tokens there.
"""

import logging
import logging.config
import re
from typing import Any, TextIO

import structlog

# The last kind: a key as the user name of Basic, in base64.
KEYS = re.compile(r"(ip[ks]_[0-9A-Za-z]{4})[0-9A-Za-z]{8,}|(whsec_)[A-Za-z0-9+/=]{8,}|(aXB[rz]X)[A-Za-z0-9+/=]{40,}")
SECRETS = re.compile(
    r"(ip[ks]_[0-9A-Za-z]{4})[0-9A-Za-z]{8,}"
    r"|(whsec_)[A-Za-z0-9+/=]{8,}"
    r"|((?-i:aXB[rz]X))[A-Za-z0-9+/=]{40,}"
    r"|(/invitation/)[0-9A-Za-z]{20,}"
    r"|((?:authorization|x-api-key|x-activation-token|cookie)[\"']?\s*[:=]\s*[\"']?)[^\s\"',}]+(?: [^\s\"',}]+)?",
    re.IGNORECASE,
)
URL_WITH_QUERY = re.compile(r"https?://[^\s?#\"<>]*\?[^\s\"<>]+", re.IGNORECASE)
QUERY_PART = re.compile(r"[^&;]+")
HIDDEN = "••••"


def hide_query_values(url: str) -> str:
    """Return the URL with its query's names as they are and dots for the values; a part without a name is a value."""
    before, mark, query = url.partition("?")
    return before + mark + QUERY_PART.sub(_hide_value, query)


def _hide_value(part: re.Match[str]) -> str:
    name, equals, value = part[0].partition("=")
    return f"{name}={HIDDEN if value else ''}" if equals else HIDDEN


def hide_keys(text: str) -> str:
    """This will return the text with every key and signing secret cut to its first letters, and the rest as it is."""
    return KEYS.sub(lambda match: f"{match[match.lastindex or 0]}[redacted]", text)


def redact(text: str) -> str:
    """Return the text with each key, signing secret, credential header and query value of a URL cut or hidden."""
    if "?" in text:
        text = URL_WITH_QUERY.sub(lambda match: hide_query_values(match[0]), text)
    return SECRETS.sub(lambda match: f"{match[match.lastindex or 0]}[redacted]", text)


def _redact_value(value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {redact(str(key)): _redact_value(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redact_value(item) for item in value]
    if value is None or isinstance(value, (int, float)):
        return value
    return redact(str(value))


def _redact_event(logger: Any, method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {key: _redact_value(value) for key, value in event.items() if not key.startswith("_")}


def configure_logging(level: str, stream: TextIO) -> None:
    """This will send every logger, Django's and the libraries' included, through one redacting JSON formatter."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    formatter = {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": shared,
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            _redact_event,
            structlog.processors.JSONRenderer(),
        ],
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": formatter},
            "handlers": {"stream": {"class": "logging.StreamHandler", "formatter": "json", "stream": stream}},
            "root": {"handlers": ["stream"], "level": level},
            "loggers": {
                "django.request": {"level": "ERROR"},
                # At DEBUG it writes whole template contexts, secrets of the reveal included.
                "django.template": {"level": "INFO"},
                "django.server": {"level": "WARNING"},
                "django.security.DisallowedHost": {"level": "CRITICAL"},
            },
        }
    )

"""Strict parsing of service URLs in settings. Errors never quote them, as most contain a password."""

import re
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import environ
import psycopg
import redis
from django.core.exceptions import ImproperlyConfigured
from psycopg import pq
from psycopg.conninfo import make_conninfo

REDIS_SCHEMES = ("redis", "rediss", "unix")
# Other options of redis-py would change how long a request waits for Redis.
REDIS_OPTIONS = re.compile(r"db|username|password|ssl_[a-z_]+")
DATABASE_SCHEMES = ("sqlite", "postgres", "postgresql")
# A socket folder that does not exist.
NO_HOST = "/dev/null"
IN_MEMORY = "sqlite://:memory:"
HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*|[0-9a-f:.]+")
# The path of these URLs is one of the file system, in which an @ has no meaning.
FILE_SCHEMES = ("sqlite", "filemail", "unix")
DEFAULT_PORTS = {"http": 80, "https": 443}


def parse_url(name: str, value: str) -> SplitResult:
    """Parse a URL. Raises ImproperlyConfigured without quoting it, because any part can contain a password."""
    try:
        parts = urlsplit(value)
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or (parts.scheme not in FILE_SCHEMES and "@" in parts.path + parts.query + parts.fragment):
        raise ImproperlyConfigured(
            f"{name} cannot be taken apart: the port must be a number from 1 to 65535, and the characters / ? # @ : "
            "in a user name or password must be written as %2F %3F %23 %40 %3A."
        )
    if parts.fragment:
        raise ImproperlyConfigured(f"{name} must not have a # in it; write %23 for it.")
    return parts


def base_url(name: str, value: str) -> SplitResult:
    """Parse a URL that consists of scheme, host and port only."""
    parts = parse_url(name, value)
    host = parts.hostname or ""
    shown = f"[{host}]" if ":" in host else host
    is_plain = HOST.fullmatch(host) and parts.netloc in (shown, f"{shown}:{parts.port}")
    if not is_plain or parts.scheme not in DEFAULT_PORTS or f"{parts.scheme}://{parts.netloc}" != value:
        raise ImproperlyConfigured(
            f"{name} must look like https://portal.example.com, lowercase ASCII, and nothing after the host but a port."
        )
    if parts.port == DEFAULT_PORTS[parts.scheme]:
        raise ImproperlyConfigured(f"{name} must leave out :{parts.port}: browsers leave it out too.")
    return parts


def issuer(name: str, value: str) -> str:
    """Return the issuer URL of an identity provider: https, or http on a loopback address."""
    parts = parse_url(name, value)
    is_local = parts.hostname in ("127.0.0.1", "localhost", "::1")
    if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and is_local)):
        raise ImproperlyConfigured(f"{name} must start with https:// (plain http only on a loopback address).")
    if parts.username is not None or parts.query or "?" in value:
        raise ImproperlyConfigured(f"{name} must have no user name and no query.")
    return value


def database(name: str, value: str) -> dict[str, Any]:
    """Return Django's settings for a SQLite or PostgreSQL database."""
    if value == IN_MEMORY:
        return dict(environ.Env.db_url_config(value))
    if value.partition("://")[0] not in DATABASE_SCHEMES or "://" not in value:
        raise ImproperlyConfigured(f"{name} must start with sqlite:// or postgres://.")
    *_, parts = (parse_url(name, each) for each in _url_of_each_host(value))
    if parts.scheme == "sqlite" and (parts.netloc or not parts.path.strip("/") or parts.path.endswith("/")):
        raise ImproperlyConfigured(
            f"{name} must name a file: sqlite:///var/portal.sqlite3, or sqlite:////data/portal.sqlite3 (four slashes)."
        )
    if parts.scheme == "sqlite" and parts.query:
        raise ImproperlyConfigured(f"{name} of a SQLite file must not have a question mark in it.")
    if parts.scheme != "sqlite" and not unquote(parts.path).rpartition("/")[2]:
        raise ImproperlyConfigured(f"{name} names no database: postgres://user:password@host:5432/name.")
    if parts.scheme != "sqlite":
        _check_options(name, dict(parse_qsl(parts.query, keep_blank_values=True)))
    return dict(environ.Env.db_url_config(value))


def backup_database(name: str, value: str, own: dict[str, Any]) -> dict[str, Any]:
    """Return Django's settings of the database to back up, or an empty dict where that is DATABASE_URL's."""
    if not value:
        return {}
    found = database(name, value)
    if not own["ENGINE"] == found["ENGINE"] == "django.db.backends.postgresql":
        raise ImproperlyConfigured(
            f"{name} is the address of the same PostgreSQL as DATABASE_URL, without a pooler: with SQLite leave it out."
        )
    return found


def _check_options(name: str, options: dict[str, str]) -> None:
    """Raise ImproperlyConfigured for options that libpq does not accept, among them options of Django's own."""
    options.pop("hostaddr", None)
    wait = options.get("connect_timeout", "0")
    try:
        is_valid = pq.PGconn.ping(make_conninfo(**{**options, "host": NO_HOST}).encode()) != pq.Ping.NO_ATTEMPT
    except psycopg.Error:
        is_valid = False
    if not (is_valid and re.fullmatch(r"-?[0-9]{1,9}", wait)):
        raise ImproperlyConfigured(f"{name} has an option after the question mark that PostgreSQL does not understand.")


def _url_of_each_host(value: str) -> list[str]:
    """Return a URL for each of the hosts: libpq accepts several, separated by commas."""
    scheme, _, rest = value.partition("://")
    authority, slash, path = rest.partition("/")
    user, at, hosts = authority.rpartition("@")
    return [f"{scheme}://{user}{at}{host}{slash}{path}" for host in hosts.split(",")]


def redis_server(name: str, value: str, schemes: tuple[str, ...] = REDIS_SCHEMES) -> str:
    """Return a Redis URL that redis-py accepts, or an empty string."""
    if not value:
        return value
    if value.partition("://")[0] not in schemes or "://" not in value:
        starts = [f"{scheme}://" for scheme in schemes]
        raise ImproperlyConfigured(f"{name} must start with {', '.join(starts[:-1])} or {starts[-1]}.")
    parts = parse_url(name, value)
    unknown = [option for option, _ in parse_qsl(parts.query, True) if not REDIS_OPTIONS.fullmatch(option)]
    if unknown:
        raise ImproperlyConfigured(f"{name} has an option that is not known after the question mark.")
    if parts.scheme == "unix" and not parts.path.strip("/"):
        raise ImproperlyConfigured(f"{name} names no socket: unix:///run/redis.sock?db=0.")
    if parts.scheme != "unix" and not (parts.hostname and re.fullmatch(r"/?[0-9]{0,5}", parts.path)):
        raise ImproperlyConfigured(f"{name} must look like redis://host:6379/0, with a number after the last slash.")
    try:
        redis.ConnectionPool.from_url(value).make_connection()  # connects to nothing yet
    except (TypeError, ValueError, redis.RedisError):
        raise ImproperlyConfigured(f"{name} has an option that Redis does not understand.") from None
    return value


def mail_server(name: str, value: str) -> dict[str, Any]:
    """Return Django's settings for mail."""
    parts = parse_url(name, value)
    if parts.scheme not in environ.Env.EMAIL_SCHEMES:
        known = ", ".join(f"{scheme}://" for scheme in sorted(environ.Env.EMAIL_SCHEMES))
        raise ImproperlyConfigured(f"{name} must start with one of {known}.")
    if "?" in value:
        raise ImproperlyConfigured(f"{name} must not have a question mark in it; write %3F for one in a password.")
    found: dict[str, Any] = environ.Env.email_url_config(value)
    if parts.scheme == "filemail":
        if parts.netloc or not parts.path.strip("/"):
            raise ImproperlyConfigured(f"{name} must name a folder by its full path: filemail:///var/mail.")
        found["EMAIL_FILE_PATH"] = "/" + unquote(parts.path).lstrip("/")
    elif parts.scheme.startswith("smtp") and (not parts.hostname or parts.path.strip("/")):
        raise ImproperlyConfigured(f"{name} must name a server: smtp+tls://user:password@mail.example.com:587.")
    elif parts.scheme.startswith("smtp"):
        found["EMAIL_BACKEND"] = "apps.orgs.mail.backends.EmailBackend"
    return found

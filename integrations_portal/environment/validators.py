"""Validation of hosts, mail senders and file paths in settings."""

import os
import re
from contextlib import suppress
from email.utils import parseaddr
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.validators import validate_email
from django.utils.http import is_same_domain

HOST = re.compile(r"\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]")


def hosts(name: str, given: list[str], own: str) -> list[str]:
    """Return valid entries of ALLOWED_HOSTS, one of which must match ``own``, the host of PUBLIC_URL."""
    for host in given:
        if not HOST.fullmatch(host):
            raise ImproperlyConfigured(f"{name} must list hosts alone, without scheme, port or path, not {host!r}.")
        if host.startswith(".") and "." not in host[1:]:
            raise ImproperlyConfigured(f"{name} must name your own hosts; {host} takes in other people's.")
    if given and not any(host == "*" or is_same_domain(own, host) for host in given):
        raise ImproperlyConfigured(f"{name} lacks {own}, the host of PUBLIC_URL: every page would answer 400.")
    return given


def sender(name: str, value: str) -> str:
    """Return a valid sender: an email address, or a name with an address in angle brackets."""
    address = parseaddr(value)[1]
    try:
        validate_email(address if value.endswith((address, f"<{address}>")) else "")
    except ValidationError:
        raise ImproperlyConfigured(
            f"{name} must be one email address, such as integrations@example.com or "
            "Integrations <integrations@example.com>."
        ) from None
    return value


def file_in_folder(name: str, path: str) -> str:
    """Return the absolute path of a file, which need not exist, in an existing folder; or an empty string."""
    if path and (not os.path.isabs(path) or os.path.isdir(path) or not os.path.isdir(os.path.dirname(path))):
        raise ImproperlyConfigured(f"{name} must be the full path of a file, in a folder that exists.")
    return path


def database_file(name: str, path: Path, own: Path) -> str:
    """Return the path of a database file in an existing folder; the project's own folder is created."""
    if path.parent == own:
        with suppress(OSError):  # the next check reports a folder that does not exist
            own.mkdir(mode=0o700, exist_ok=True)
    if path.is_dir() or not path.parent.is_dir():
        raise ImproperlyConfigured(f"{name} must name a file in a folder that exists.")
    return str(path)

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
    """Return names of hosts as Django compares them; the portal's own must be among them."""
    for host in given:
        if not HOST.fullmatch(host):
            raise ImproperlyConfigured(f"{name} must list hosts alone, without scheme, port or path, not {host!r}.")
        if host.startswith(".") and "." not in host[1:]:
            raise ImproperlyConfigured(f"{name} must name your own hosts; {host} takes in other people's.")
    if given and not any(host == "*" or is_same_domain(own, host) for host in given):
        raise ImproperlyConfigured(f"{name} lacks {own}, the host of PUBLIC_URL: every page would answer 400.")
    return given


def sender(name: str, value: str) -> str:
    """Return an address as mail names a sender: alone, or with a name before it."""
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
    """Return the full path of a file that may or may not be there, in a folder that is; or nothing."""
    if path and (not os.path.isabs(path) or os.path.isdir(path) or not os.path.isdir(os.path.dirname(path))):
        raise ImproperlyConfigured(f"{name} must be the full path of a file, in a folder that exists.")
    return path


def database_file(name: str, path: Path, own: Path) -> str:
    """Return the full path of a database, in a folder that is there; the project's own is made."""
    if path.parent == own:
        with suppress(OSError):  # where it cannot be made it is not there
            own.mkdir(mode=0o700, exist_ok=True)
    if path.is_dir() or not path.parent.is_dir():
        raise ImproperlyConfigured(f"{name} must name a file in a folder that exists.")
    return str(path)

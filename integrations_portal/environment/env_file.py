"""The settings in the file `.env` of the project's folder, for typed commands.

systemd (`EnvironmentFile=`) and Docker hand the same file to the servers. Standard library only: this runs before
Django does, whose settings are read from the environment.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / ".env"
LINE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


def load() -> None:
    """Put the file's settings into an environment that has no secret key; what else it has counts before the file."""
    if is_set("SECRET_KEY", os.environ):
        return
    try:
        text = FILE.read_text(encoding="utf-8-sig")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return
    except PermissionError:
        sys.exit(
            f"{FILE} may not be read by this user: run the command as the portal's own user, and let its group read"
            " the file (chgrp portal .env; chmod 640 .env)."
        )
    except UnicodeDecodeError:
        sys.exit(f"{FILE} is not text in UTF-8.")
    values = settings(text)
    if not is_set("SECRET_KEY", values):
        return  # it is not filled in yet
    for name, value in values.items():
        base_name = name.removesuffix("_FILE")
        if base_name not in os.environ and f"{base_name}_FILE" not in os.environ:
            os.environ[name] = value


def is_set(name: str, settings: Mapping[str, str]) -> bool:
    """Return whether a setting is present, directly or as the name of a file."""
    return bool(settings.get(name) or settings.get(f"{name}_FILE"))


def settings(text: str) -> dict[str, str]:
    """Read name → value as systemd and Docker do; a line that they read otherwise stops the start."""
    values = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith(("#", ";")):
            continue
        found = LINE.fullmatch(line)
        if found is None:
            sys.exit(f"{FILE}, line {number}: write NAME=value, and a remark on a line of its own that begins with #.")
        name, value = found[1], found[2].strip()
        if "\\" in value:
            sys.exit(f"{FILE}, line {number}: {name} has a backslash, which systemd and Docker read differently.")
        values[name] = unquote(value)
    return values


def unquote(value: str) -> str:
    """Strip the quotation marks around a value."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value

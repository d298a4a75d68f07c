"""Load the project's `.env` file into the environment, for commands that are run by hand.

Servers get the same file from systemd (`EnvironmentFile=`) or Docker. Standard library only: this runs before Django
reads its settings from the environment.
"""

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

FILE = Path(__file__).resolve().parents[2] / ".env"
LINE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


def load() -> None:
    """Set the file's variables unless SECRET_KEY is set; variables that are set already keep their value."""
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
        return  # a copy of .env.example that was not filled in
    for name, value in values.items():
        base_name = name.removesuffix("_FILE")
        if base_name not in os.environ and f"{base_name}_FILE" not in os.environ:
            os.environ[name] = value


def is_set(name: str, settings: Mapping[str, str]) -> bool:
    """Return whether a setting has a value, directly or by ``_FILE``."""
    return bool(settings.get(name) or settings.get(f"{name}_FILE"))


def settings(text: str) -> dict[str, str]:
    """Return the variables of the file's text; exit for a line that systemd and Docker would read differently."""
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
    """Return a value without the quotation marks around it."""
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value

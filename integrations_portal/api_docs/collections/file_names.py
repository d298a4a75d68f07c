"""Names of files for every operating system, also those that take upper and lower case for the same."""

import re
from collections.abc import Iterable, Iterator
from itertools import count

FORBIDDEN = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
# Devices on Windows, whatever stands after a dot.
DEVICE = re.compile(r"(?i)(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?")


def file_name(text: str) -> str:
    """Return a text as the name of a file or folder."""
    name = FORBIDDEN.sub("-", text).strip().rstrip(". ") or "-"
    return f"{name}-" if DEVICE.fullmatch(name) else name


def file_names(texts: Iterable[str], taken: str) -> list[str]:
    """Return a different name for each text, none of which is the one that is taken; equal ones are numbered."""
    used, found = {taken.casefold()}, []
    for text in texts:
        name = next(each for each in _numbered(file_name(text)) if each.casefold() not in used)
        used.add(name.casefold())
        found.append(name)
    return found


def _numbered(name: str) -> Iterator[str]:
    yield name
    for number in count(2):
        yield f"{name} {number}"

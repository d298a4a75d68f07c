"""Parse the API entries of CHANGELOG.md, for the changelog page.

The part ``### API`` of a release is for customers; all other parts are for operators. The parser knows the subset of
Markdown that the file uses. It returns plain values that the template escapes, so HTML in the file is shown as text.
"""

import re
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings

FILE = Path(settings.BASE_DIR) / "CHANGELOG.md"
HEADING = re.compile(r"(#{1,6}) +(.+)")
VERSION = re.compile(r"^\[([^\]]+)\](?!\()")
ITEM = re.compile(r"[-*] +(.+)")
RELEASE = re.compile(r"^(?=## )", re.MULTILINE)
API_PART = re.compile(r"^### API\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?P<code>`[^`]+`)|(?P<strong>\*\*[^*]+\*\*)|\[(?P<label>[^\]]+)\]\((?P<url>[^)\s]+)\)")
Block = dict[str, Any]


@cache
def entries() -> tuple[Block, ...]:
    """Return the releases that have API entries as blocks, or nothing if the file is not installed."""
    try:
        text = FILE.read_text(encoding="utf-8")
    except OSError:
        return ()
    releases = RELEASE.split(text)[1:]
    parts = [(release.partition("\n")[0], API_PART.findall(release)) for release in releases]
    return tuple(block for title, found in parts if found for block in read("\n".join((title, "", *found))))


def read(text: str) -> list[Block]:
    """Return headings, paragraphs and lists as blocks with ``kind``, and ``parts`` or ``items`` (lists of parts)."""
    blocks: list[Block] = []
    for lines in _groups(text):
        heading = HEADING.fullmatch(lines[0])
        if heading:
            parts = parse_inline(VERSION.sub(r"\1", heading[2]))
            blocks.append({"kind": "heading", "level": len(heading[1]), "parts": parts})
        elif ITEM.match(lines[0]):
            _add_item(blocks, parse_inline(" ".join([ITEM.sub(r"\1", lines[0]), *lines[1:]])))
        else:
            blocks.append({"kind": "paragraph", "parts": parse_inline(" ".join(lines))})
    return blocks


def parse_inline(text: str) -> list[dict[str, str]]:
    """Split a text into parts: text, code, strong, or a link to another site."""
    parts, end = [], 0
    for match in INLINE.finditer(text):
        parts.append({"kind": "text", "text": text[end : match.start()]})
        parts.append(_part(match))
        end = match.end()
    return [part for part in (*parts, {"kind": "text", "text": text[end:]}) if part["text"]]


def _part(match: re.Match[str]) -> dict[str, str]:
    if match["code"]:
        return {"kind": "code", "text": match["code"][1:-1]}
    if match["strong"]:
        return {"kind": "strong", "text": match["strong"][2:-2]}
    # Links to files of the repository have no URL here.
    is_site = match["url"].startswith(("https://", "http://"))
    return {"kind": "link" if is_site else "text", "text": match["label"], "url": match["url"]}


def _groups(text: str) -> list[list[str]]:
    """Group the lines into headings, list items with their continuation lines, and paragraphs."""
    groups: list[list[str]] = []
    is_open = False
    for line in text.splitlines():
        words = line.strip()
        starts = bool(ITEM.match(words)) if line[:1] in "-*" else not is_open
        if words and (starts or HEADING.fullmatch(words)):
            groups.append([words])
        elif words:
            groups[-1].append(words)
        is_open = bool(words) and not HEADING.fullmatch(words)
    return groups


def _add_item(blocks: list[Block], parts: list[dict[str, str]]) -> None:
    if not blocks or blocks[-1]["kind"] != "list":
        blocks.append({"kind": "list", "items": []})
    blocks[-1]["items"].append(parts)

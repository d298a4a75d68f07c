"""Bruno's text format: blocks of pairs and blocks of text (https://docs.usebruno.com/bru-lang/overview)."""

import re
from collections.abc import Iterable

# Not what ``str.splitlines`` adds: a text in JSON can hold those.
LINE_BREAK = re.compile(r"\r\n|\r|\n")
Pairs = Iterable[tuple[str, str]]


def bru_file(*blocks: str) -> str:
    """Return a file of these blocks; empty ones are left out."""
    return "\n".join(block for block in blocks if block)


def pairs_block(name: str, pairs: Pairs) -> str:
    """Return a block of names and values, or an empty string without pairs. A value is one line: breaks become spaces.

    A name that begins with ``~`` is a pair that is there and not used.
    """
    lines = [f"  {key}: {LINE_BREAK.sub(' ', value)}\n" for key, value in pairs]
    return f"{name} {{\n{''.join(lines)}}}\n" if lines else ""


def text_block(name: str, text: str) -> str:
    """Return a block of text. Its lines are indented: a brace at the beginning of one would end the block."""
    lines = [f"  {line}\n" if line else "\n" for line in LINE_BREAK.split(text.strip())]
    return f"{name} {{\n{''.join(lines)}}}\n"


def names_block(name: str, names: Iterable[str]) -> str:
    """Return a block of names without values."""
    listed = ",\n".join(f"  {each}" for each in names)
    return f"{name} [\n{listed}\n]\n"

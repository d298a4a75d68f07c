"""A reader of Bruno's text format, as far as the collection uses it."""

import re
from dataclasses import dataclass, field

BLOCK = re.compile(r"(?ms)^([a-z:-]+) (?:\{\n(.*?)^\}|\[\n(.*?)^\])\n")
PAIR = re.compile(r"  (~?)([^\s:]+): (.*)")
OF_TEXT = ("docs", "body:json")


@dataclass
class BruFile:
    """The blocks of a file: of pairs, those that are used and those that are not, of text and of names."""

    used: dict[str, dict[str, str]] = field(default_factory=dict)
    unused: dict[str, dict[str, str]] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)

    def __init__(self, text: str) -> None:
        self.used, self.unused, self.texts, self.names = {}, {}, {}, {}
        rest = BLOCK.sub(self._take, text)
        assert not rest.strip(), rest

    def _take(self, match: re.Match[str]) -> str:
        name, inner, listed = match.groups()
        assert name not in {*self.used, *self.texts, *self.names}, name
        if listed is not None:
            self.names[name] = re.split(r",\n", listed.replace(" ", "").rstrip("\n"))
        elif name in OF_TEXT:
            assert [line for line in inner.split("\n") if line and not line.startswith("  ")] == []
            self.texts[name] = re.sub("(?m)^  ", "", inner)
        else:
            self.used[name], self.unused[name] = {}, {}
            for line in inner.splitlines():
                pair = PAIR.fullmatch(line)
                assert pair, line
                where = self.unused if pair[1] else self.used
                assert pair[2] not in where[name]
                where[name][pair[2]] = pair[3]
        return ""

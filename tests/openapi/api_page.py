"""docs/api.md as a program reads it: the calls that it names, each with its scopes, its body and its answers."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CALL = re.compile(r"`(GET|POST|PUT|PATCH|DELETE) (/v1[^\s`?]*)(?:\?([^`\s]+))?`")
SCOPE = re.compile(r"`([a-z_]+:[a-z]+)`")
# Behind a call: its scopes in brackets, and its body.
SCOPES = re.compile(r"\s+\(([^()]*)\)")
BODY = re.compile(r"\s+`(\{[^`]*\})`")
# Behind an arrow, or as a cell of a table.
ANSWER = re.compile(r"(?:→|\|)[^`→|]*`(\[?\{[^`]*\}\]?)`")
EXAMPLE = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)
# What a call says ends with its paragraph, its item or its row.
END = re.compile(r"\n\n|\n- |\n\|")
TOKEN = re.compile(r"\w+\??|[^\w\s]")
# At the end of an object: it has more fields, which the reference names.
ELLIPSIS = "…"
LAST_IN_EXAMPLE = re.compile(rf",\s*{ELLIPSIS}(?=\s*\}})")
ID = re.compile(rf'"(\w+)_{ELLIPSIS}"')
RESOURCES = ("Me", "Audit log")


@dataclass(frozen=True)
class Shape:
    """An object as it is abbreviated, ``{name, email?, items: [{id}], …}``: each name with whether it can be left out.

    ``has_more``: it ends in an ellipsis, for fields that it does not name.
    """

    fields: dict[str, bool]
    inner: dict[str, "Shape"]
    is_list: bool = False
    has_more: bool = False


@dataclass(frozen=True)
class Call:
    """A call that the page names. ``scopes``: None where it says none."""

    section: str
    method: str
    route: str
    query: str
    scopes: set[str] | None
    body: Shape | None
    answers: tuple[Shape, ...]
    examples: tuple[str, ...]

    @property
    def name(self) -> str:
        """The call as the page writes it."""
        return f"{self.method} {self.route}"


def sections(page: str) -> dict[str, str]:
    """Return the sections of a page by their headings."""
    parts = re.split(r"^## (.+)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def resources(page: str) -> dict[str, str]:
    """Return the sections that describe the resources of the API."""
    found = sections(page)
    names = list(found)
    first, last = map(names.index, RESOURCES)
    return {name: found[name] for name in names[first : last + 1]}


def rows(section: str, heading: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the table whose first cells are a heading."""
    lines = section.partition(f"| {heading} |")[2].partition("\n\n")[0].splitlines()
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split(" | ")]


def calls(page: str) -> Iterator[Call]:
    """Yield every call that the page names with a method."""
    for heading, section in sections(page).items():
        matches = list(CALL.finditer(section))
        ends = [*(following.start() for following in matches[1:]), len(section)]
        for match, end_of_rest in zip(matches, ends, strict=False):
            rest = section[match.end() : end_of_rest]
            said = rest[: end.start()] if (end := END.search(rest)) else rest
            scopes, body = _behind(said)
            yield Call(
                heading,
                method=match[1],
                route=match[2],
                query=match[3] or "",
                scopes=scopes,
                body=shape_of(body) if body else None,
                answers=tuple(shape_of(text) for text in ANSWER.findall(said)),
                examples=tuple(EXAMPLE.findall(rest)),
            )


def _behind(said: str) -> tuple[set[str] | None, str]:
    """Return the scopes and the body that follow a call."""
    scopes = None
    if (bracket := SCOPES.match(said)) and (SCOPE.search(bracket[1]) or bracket[1] == "any valid API key"):
        scopes, said = set(SCOPE.findall(bracket[1])), said[bracket.end() :]
    body = BODY.match(said)
    return scopes, body[1] if body else ""


def example_of(text: str) -> Any:
    """Return the value of an example, in which an object that ends in an ellipsis has one as a field."""
    whole = LAST_IN_EXAMPLE.sub(f', "{ELLIPSIS}": true', text)
    return json.loads(ID.sub(lambda match: f'"{match[1]}_{22 * "A"}"', whole))


def shape_of(text: str) -> Shape:
    """Return an abbreviated object; ValueError where it cannot be read."""
    tokens = TOKEN.findall(text)
    shape = _value(tokens, text)
    if tokens:
        raise ValueError(f"not an abbreviated object: {text}")
    return shape


def _value(tokens: list[str], text: str) -> Shape:
    if tokens[:1] == ["["]:
        tokens.pop(0)
        item = _value(tokens, text)
        _expect(tokens, "]", text)
        return Shape(item.fields, item.inner, is_list=True, has_more=item.has_more)
    _expect(tokens, "{", text)
    fields: dict[str, bool] = {}
    inner: dict[str, Shape] = {}
    while tokens[:1] not in (["}"], [ELLIPSIS]):
        word = tokens.pop(0) if tokens else ""
        name = word.removesuffix("?")
        if not re.fullmatch(r"\w+", name) or name in fields:
            raise ValueError(f"not an abbreviated object: {text}")
        fields[name] = word.endswith("?")
        if tokens[:1] == [":"]:
            tokens.pop(0)
            inner[name] = _value(tokens, text)
        if tokens[:1] in ([","], ["|"]):
            tokens.pop(0)
    has_more = tokens[:1] == [ELLIPSIS]
    if has_more:
        tokens.pop(0)
    _expect(tokens, "}", text)
    return Shape(fields, inner, has_more=has_more)


def _expect(tokens: list[str], token: str, text: str) -> None:
    if tokens[:1] != [token]:
        raise ValueError(f"not an abbreviated object: {text}")
    tokens.pop(0)

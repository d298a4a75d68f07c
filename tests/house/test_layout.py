"""The house rules of modules and templates that a machine can check."""

import ast
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template.base import Lexer, TokenType

from tests.house.tree import python_modules, read, relative, templates, tree_of

pytestmark = pytest.mark.pure

NAMELESS = {"utils", "helpers", "common", "services", "misc"}
MOST_LINES = 300
REASON = "Longer than 300 lines because"

MODULES = pytest.mark.parametrize("path", python_modules(), ids=relative)
PAGES = pytest.mark.parametrize("path", templates(), ids=relative)


def test_no_module_is_named_after_nothing():
    assert [relative(path) for path in python_modules() if NAMELESS & {path.stem, *path.parent.parts}] == []


@MODULES
def test_imports_stand_at_the_top(path: Path):
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    inside = {
        f"line {node.lineno}"
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    assert inside == set()


@MODULES
def test_nothing_is_imported_for_the_type_checker_alone(path: Path):
    names = (getattr(node, "id", None) or getattr(node, "attr", None) for node in ast.walk(tree_of(path)))
    assert "TYPE_CHECKING" not in names


@MODULES
def test_a_module_says_what_it_is_for(path: Path):
    if path.name in ("__init__.py", "apps.py"):
        return
    assert ast.get_docstring(tree_of(path)), "no docstring"


@MODULES
def test_a_module_is_short_or_says_why_not(path: Path):
    lines = len(read(path).splitlines())
    reason = REASON in (ast.get_docstring(tree_of(path)) or "").replace("\n", " ")
    assert lines <= MOST_LINES or reason, f"{lines} lines"


# Templates

# Not words of a language: the product's name, and units that every reader writes alike.
ALLOWED_WORDS = {"Integrations", "Portal", "ms", "s", "KiB", "MiB", "URL", "API", "JSON", "curl", "v1"}
# What stands there is code or a number, the same in every language.
CODE_ELEMENTS = {"code", "kbd", "pre", "samp", "script", "style"}
SPOKEN_ATTRIBUTES = {"title", "alt", "placeholder", "aria-label", "aria-description", "aria-roledescription", "label"}
TRANSLATED_BLOCKS = {"blocktrans", "blocktranslate", "comment", "verbatim"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
WORD = re.compile(r"[^\W\d_]{2,}|(?<!\w)[AaIi](?!\w)")
NONCE = "nonce-of-this-answer"


def without_template_tags(source: str) -> str:
    """This will keep the HTML of a template: a variable becomes a digit, a tag and what is translated nothing."""
    kept, until = [], ""
    for token in Lexer(source).tokenize():
        words = token.contents.split()
        if until:
            until = "" if token.token_type == TokenType.BLOCK and words[0] == until else until
        elif token.token_type == TokenType.BLOCK and words[0] in TRANSLATED_BLOCKS:
            until = f"end{words[0]}"
        elif token.token_type == TokenType.VAR:
            kept.append(NONCE if "csp_nonce" in token.contents else "0")
        elif token.token_type == TokenType.TEXT:
            kept.append(token.contents)
    return "".join(kept)


class PageReader(HTMLParser):
    """Collects what a template says by itself and what a strict content security policy would refuse."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.bare: list[str] = []
        self.refused: list[str] = []
        self._within: list[tuple[str, bool]] = []  # each open element, and whether it holds code
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.bare += [f"{name}={value!r}" for name, value in attrs if name in SPOKEN_ATTRIBUTES and bare_words(value)]
        self.refused += [f"{tag} {name}" for name in given if name == "style" or name.startswith("on")]
        self.refused += [f"{tag} {name}" for name, value in attrs if (value or "").lstrip().startswith("javascript:")]
        if tag == "style" or (tag == "script" and runs_inline(given)):
            self.refused.append(f"inline {tag}")
        if tag not in VOID:
            self._within.append((tag, tag in CODE_ELEMENTS or "mono" in (given.get("class") or "").split()))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        # Branches of {% if %} may open an element twice: go back to the nearest one of that name.
        if any(tag == opened for opened, _ in self._within):
            while self._within.pop()[0] != tag:
                pass

    def handle_data(self, data: str) -> None:
        if not any(is_code for _, is_code in self._within) and bare_words(data):
            self.bare.append(" ".join(data.split())[:80])


def runs_inline(given: dict[str, str | None]) -> bool:
    """This will tell whether a script's text would run without a nonce; a block of JSON is data and runs nothing."""
    return "src" not in given and given.get("nonce") != NONCE and given.get("type") != "application/json"


def bare_words(text: str | None) -> list[str]:
    """This will return the words of a text that would have to be translated."""
    return [word for word in WORD.findall(text or "") if word not in ALLOWED_WORDS]


@PAGES
def test_every_word_of_a_template_is_translated(path: Path):
    assert PageReader(without_template_tags(read(path))).bare == []


@PAGES
def test_a_template_needs_no_exception_from_the_content_security_policy(path: Path):
    assert PageReader(without_template_tags(read(path))).refused == []


def test_the_reader_of_templates_finds_what_it_looks_for():
    bad = PageReader(without_template_tags(
        '<p style="x" onclick="y" title="Hello">{% trans "Fine" %} Bare {{ name }}</p><script>1</script>'
        '<script nonce="{{ request.csp_nonce }}">2</script>{% blocktrans %}Fine too{% endblocktrans %}<code>ok</code>'
    ))  # fmt: skip
    assert bad.bare == ["title='Hello'", "Bare 0"]
    assert bad.refused == ["p style", "p onclick", "inline script"]

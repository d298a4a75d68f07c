"""Modules are short, documented and import at the top; templates are translated and need no inline script."""

import ast
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.template.base import Lexer, TokenType

from tests.conventions.tree import python_modules, read, relative, templates, tree_of

pytestmark = pytest.mark.pure

NAMELESS = {"utils", "helpers", "common", "services", "misc"}
MOST_LINES = 300
REASON = "Longer than 300 lines because"


def offenders(modules_or_templates: list[Path], faults: Callable[[Path], list[str]]) -> dict[str, list[str]]:
    """Return what is wrong with each file that is not as it should be."""
    return {relative(path): found for path in modules_or_templates if (found := faults(path))}


def test_no_module_is_named_after_nothing():
    assert [relative(path) for path in python_modules() if NAMELESS & {path.stem, *path.parent.parts}] == []


def inner_imports(path: Path) -> list[str]:
    """Return where functions of a module import something."""
    functions = [node for node in ast.walk(tree_of(path)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    inside = {
        node.lineno
        for function in functions
        for node in ast.walk(function)
        if isinstance(node, (ast.Import, ast.ImportFrom))
    }
    return [f"line {number}" for number in sorted(inside)]


def test_imports_are_at_the_top_of_modules():
    assert offenders(python_modules(), inner_imports) == {}


def test_nothing_is_imported_for_the_type_checker_alone():
    assert [relative(path) for path in python_modules() if "TYPE_CHECKING" in read(path)] == []


def test_every_module_has_a_docstring():
    modules = [path for path in python_modules() if path.name not in ("__init__.py", "apps.py")]
    assert [relative(path) for path in modules if not ast.get_docstring(tree_of(path))] == []


def excess_lines(path: Path) -> list[str]:
    """Return the length of a module that is too long and does not say why."""
    lines = len(read(path).splitlines())
    has_reason = REASON in (ast.get_docstring(tree_of(path)) or "").replace("\n", " ")
    return [f"{lines} lines"] if lines > MOST_LINES and not has_reason else []


def test_modules_are_short_or_say_why_not():
    assert offenders(python_modules(), excess_lines) == {}


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
    """Keep the HTML of a template: a variable becomes a digit, a tag and what is translated nothing."""
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
    """Tell whether a script's text would run without a nonce; a block of JSON is data and runs nothing."""
    return "src" not in given and given.get("nonce") != NONCE and given.get("type") != "application/json"


def bare_words(text: str | None) -> list[str]:
    """Return the words of a text that would have to be translated."""
    return [word for word in WORD.findall(text or "") if word not in ALLOWED_WORDS]


def page_of(path: Path) -> PageReader:
    return PageReader(without_template_tags(read(path)))


def test_every_word_of_a_template_is_translated():
    assert offenders(templates(), lambda path: page_of(path).bare) == {}


def test_no_template_needs_an_exception_from_the_content_security_policy():
    assert offenders(templates(), lambda path: page_of(path).refused) == {}


def test_the_reader_of_templates_finds_what_it_looks_for():
    bad = PageReader(without_template_tags(
        '<p style="x" onclick="y" title="Hello">{% trans "Fine" %} Bare {{ name }}</p><script>1</script>'
        '<script nonce="{{ request.csp_nonce }}">2</script>{% blocktrans %}Fine too{% endblocktrans %}<code>ok</code>'
    ))  # fmt: skip
    assert bad.bare == ["title='Hello'", "Bare 0"]
    assert bad.refused == ["p style", "p onclick", "inline script"]

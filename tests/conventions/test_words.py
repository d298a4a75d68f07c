"""Code speaks the field's words: docstrings in the imperative, no private codes, no names that only we know."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conventions.tree import python_modules, read, relative, templates, tree_of

pytestmark = pytest.mark.pure

# Words of docstrings and comments that had to be learned first, and what is written instead.
NOT_WRITTEN = {
    r"\bthis will\b": "an imperative (PEP 257)",
    r"\bdoors?\b": "entry point, interface",
    r"\b(?:the|a|its) bell\b|\brings?\b the": "wakeup",
    r"\bthe cast\b": "fixtures",
    r"\bthe desk\b": "database loop",
    r"\bhouse (?:rules?|own)\b": "conventions",
    r"\b(?:S|M)\d{1,2}\b(?! ?[:=(]?\d)": "the page's or the feature's name",
    r"\b[Pp]romise \d": "the promise itself",
    r"\bissue \d": "the reason itself",
    r"\banew\b": "again",
    r"\bwhoever\b": "who, a caller that",
    r"\bsomebody\b": "someone, a user, a caller",
    r"\bnobody\b": "no one, nothing",
    r"\bwherein|thereof|hereby\b": "plain words",
}
# Names of functions, classes, parameters and variables. Columns, JSON names and URL names are data and stay.
NOT_NAMED = {
    "reveal": "one_time_secret_response", "spend": "consume", "blame": "add_action_errors",
    "habits": "reader_preferences", "instant": "format_timestamp", "as_of_now": "refresh_permissions",
    "oneself": "account_actor", "who_decides": "who_can_grant", "telling": "audit_and_publish",
    "presenting": "view_models", "gives": "grantable", "withheld": "disabled_scopes",
    "only_looks": "is_support_access", "desk": "database_loop", "Ringer": "WorkerNotifier", "Sweep": "PeriodicJob",
    "begin_look": "start_support_access", "anew": "again",
}  # fmt: skip


def spoken(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the text of each docstring and comment."""
    tree = tree_of(path)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            yield node.body[0].lineno, ast.get_docstring(node) or ""
    for token in tokenize.generate_tokens(io.StringIO(read(path)).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def sources() -> list[Path]:
    return [path for path in python_modules() if "migrations" not in path.parts]


def test_docstrings_and_comments_use_the_fields_words():
    wrong = [
        f"{relative(path)}:{line}: {found[0]!r}, write {better}"
        for path in sources()
        for line, text in spoken(path)
        for pattern, better in NOT_WRITTEN.items()
        if (found := re.search(pattern, text, re.IGNORECASE if pattern.islower() else 0))
    ]
    assert wrong == []


def test_names_are_the_fields_words():
    wrong = [
        f"{relative(path)}:{node.lineno}: {name}, call it {NOT_NAMED[name]}"
        for path in sources()
        for node in ast.walk(tree_of(path))
        for name in names_bound_by(node)
        if name in NOT_NAMED
    ]
    assert wrong == []


def names_bound_by(node: ast.AST) -> list[str]:
    """Return the names that a statement gives to something."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return [node.name]
    if isinstance(node, ast.arg):
        return [node.arg]
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return [node.id]
    return []


def test_comments_of_templates_name_no_page_by_a_code():
    comments = {
        relative(path): re.findall(r"\{#.*?#\}|\{% comment.*?endcomment %\}", read(path), re.DOTALL)
        for path in templates()
    }
    wrong = [name for name, texts in comments.items() if re.search(r"\b[SM]\d{1,2}\b", " ".join(texts))]
    assert wrong == []

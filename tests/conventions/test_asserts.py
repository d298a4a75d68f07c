"""A failing assert of a test shows the values that made it fail."""

import ast
from collections.abc import Iterator

import pytest

from tests.conventions.tree import ROOT, relative, tree_of

pytestmark = pytest.mark.pure


def parts_of(condition: ast.expr) -> Iterator[ast.expr]:
    """Yield what a condition joins by ``and``, ``or`` and ``not``."""
    match condition:
        case ast.BoolOp(values=values):
            for value in values:
                yield from parts_of(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield from parts_of(operand)
        case _:
            yield condition


def silent_asserts(tree: ast.AST) -> Iterator[int]:
    """Yield the lines of asserts on all() or any() without a message: pytest shows no value of those."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) and node.msg is None:
            names = {part.func.id for part in parts_of(node.test) if isinstance(part, ast.Call)
                     and isinstance(part.func, ast.Name)}  # fmt: skip
            if names & {"all", "any"}:
                yield node.lineno


def test_no_assert_hides_its_values_in_all_or_any() -> None:
    """Compare a list of the exceptions with [], or give a message."""
    tests = sorted((ROOT / "tests").rglob("*.py"))
    assert [f"{relative(path)}:{line}" for path in tests for line in silent_asserts(tree_of(path))] == []


def test_a_silent_assert_is_found() -> None:
    source = "assert found and not any(x)\nassert all(x), x\nassert [y for y in x if all(y)] == []"
    assert list(silent_asserts(ast.parse(source))) == [1]

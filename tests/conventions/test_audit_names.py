"""Every action of the vocabulary is written by some code, and what code writes is in the vocabulary."""

import ast

import pytest

from apps.audit.vocabulary import NAME, SENTENCES
from apps.credentials.key_kinds import KEY_KINDS
from apps.credentials.key_status import CHANGES
from tests.conventions.tree import ROOT, calls_in, python_modules, texts, tree_of

pytestmark = pytest.mark.pure

VOCABULARY = ROOT / "apps/audit/vocabulary.py"
# Names what the log calls its actions in a filter, and writes none.
WORDS = ROOT / "apps/audit/action_labels.py"


def names_in_code() -> set[str]:
    """Return the plain strings of the product's code that have the form of an action."""
    found = set()
    for path in python_modules():
        if path not in (VOCABULARY, WORDS) and "demo" not in path.parts:
            found |= {text for text in texts(list(ast.walk(tree_of(path)))) if NAME.fullmatch(text)}
    return found


def names_of_the_admin() -> set[str]:
    """Return what the operators' admin writes: ``audit_kind`` and what was done."""
    found = set()
    for path in python_modules():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Assign) and "audit_kind" in {getattr(each, "id", "") for each in node.targets}:
                found |= {f"{kind}.{done}" for kind in texts([node.value]) for done in ("created", "updated")}
    return found


def names_of_changes() -> set[str]:
    """Return what rotations and other changes of a key are recorded as, by its kind."""
    done = ["rotated", *(change.audit_verb for change in CHANGES.values())]
    return {f"{kind.kind}.{each}" for kind in KEY_KINDS.values() for each in done}


def actions_named() -> set[str]:
    """Return what is given to ``record`` and its like as an action, where it is plain."""
    found = set()
    for path in python_modules():
        for _function, call in calls_in(path):
            named = [each.value for each in call.keywords if each.arg == "action"]
            named += call.args[1:2] if getattr(call.func, "attr", "") == "record_change" else []
            found |= {text for text in texts(named) if NAME.fullmatch(text)}
    return found


def test_every_action_of_the_vocabulary_is_written_by_some_code():
    unwritten = sorted(SENTENCES.keys() - names_in_code() - names_of_the_admin() - names_of_changes())
    assert " ".join(unwritten) == ""


def test_every_action_in_code_is_in_the_vocabulary():
    assert sorted(actions_named() - SENTENCES.keys()) == []

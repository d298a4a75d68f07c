"""Every action of the vocabulary is written by some code, and what code writes is in the vocabulary."""

import ast

import pytest

from apps.audit.vocabulary import NAME, SENTENCES
from tests.house.tree import ROOT, calls_in, python_modules, texts, tree_of

pytestmark = pytest.mark.pure

VOCABULARY = ROOT / "apps/audit/vocabulary.py"
# Words of what is being built: a name leaves this list with the code that writes it.
NOT_WRITTEN_YET = {
    "activation.created", "activation.freed", "audit.exported", "event_type.deleted", "invitation.accepted",
    "invitation.created", "invitation.revoked", "key_type.deleted", "member.added", "member.left", "member.removed",
    "member.role_changed", "notice.dismissed", "organization.closed", "scope.deleted", "sdk_key.disabled",
    "sdk_key.enabled", "sdk_key.leaked", "sdk_key.quarantined", "sdk_key.released", "sdk_key.rotated",
    "sdk_key.updated", "session.ended", "session.sign_in_failed", "session.signed_in", "session.signed_out",
    "user.email_changed", "user.email_confirmed", "user.passkey_added", "user.passkey_removed",
    "user.password_changed", "user.two_step_disabled", "user.two_step_enabled",
}  # fmt: skip


def names_in_code() -> set[str]:
    """This will return the plain strings of the product's code that have the form of an action."""
    found = set()
    for path in python_modules():
        if path != VOCABULARY and "demo" not in path.parts:
            found |= {text for text in texts(list(ast.walk(tree_of(path)))) if NAME.fullmatch(text)}
    return found


def names_of_the_admin() -> set[str]:
    """This will return what the operators' admin writes: ``audit_kind`` and what was done."""
    found = set()
    for path in python_modules():
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Assign) and "audit_kind" in {getattr(each, "id", "") for each in node.targets}:
                found |= {f"{kind}.{done}" for kind in texts([node.value]) for done in ("created", "updated")}
    return found


def actions_named() -> set[str]:
    """This will return what is given to ``record`` and its like as an action, where it is plain."""
    found = set()
    for path in python_modules():
        for _function, call in calls_in(path):
            named = [each.value for each in call.keywords if each.arg == "action"]
            found |= {text for text in texts(named) if NAME.fullmatch(text)}
    return found


def test_every_action_of_the_vocabulary_is_written_by_some_code():
    unwritten = SENTENCES.keys() - names_in_code() - names_of_the_admin()
    assert sorted(unwritten - NOT_WRITTEN_YET) == []


def test_every_action_in_code_is_in_the_vocabulary():
    assert sorted(actions_named() - SENTENCES.keys()) == []

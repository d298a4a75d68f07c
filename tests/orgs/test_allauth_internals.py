"""What we use of django-allauth that it does not promise: the reason for the narrow range in pyproject.toml.

Whoever raises the version reads allauth's changes of these names first, then moves the range.
"""

import ast
import tomllib
from importlib import import_module
from importlib.metadata import version

import pytest
from packaging.requirements import Requirement

from tests.conventions.tree import ROOT, python_modules, tree_of

pytestmark = pytest.mark.pure

INTERNALS = {
    "allauth.account.internal.flows.login": {
        "AUTHENTICATION_METHODS_SESSION_KEY",
        "get_authentication_records",
        "perform_login",
        "perform_password_login",
        "record_authentication",
    },
    "allauth.account.internal.stagekit": {"clear_login"},
    "allauth.mfa.recovery_codes.internal.auth": {"RecoveryCodes"},
    "allauth.mfa.totp.internal.auth": {"format_hotp_value", "generate_totp_secret", "hotp_value"},
    "allauth.mfa.webauthn.internal": {"auth", "flows"},
}


def used() -> dict[str, set[str]]:
    """Return the names that the product imports from modules called internal."""
    found: dict[str, set[str]] = {}
    for path in python_modules():
        for node in ast.walk(tree_of(path)):
            module = (node.module or "") if isinstance(node, ast.ImportFrom) else ""
            if module.startswith("allauth.") and "internal" in module.split("."):
                found.setdefault(module, set()).update(alias.name for alias in node.names)
    return found


def test_the_internals_in_use_are_those_listed_here() -> None:
    assert used() == INTERNALS


@pytest.mark.parametrize(
    ("module", "name"), [(module, name) for module in INTERNALS for name in sorted(INTERNALS[module])]
)
def test_an_internal_is_there(module: str, name: str) -> None:
    assert hasattr(import_module(module), name), f"{name} has left {module}"


def test_only_one_minor_version_is_allowed() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (allauth,) = [each for each in map(Requirement, wanted) if each.name == "django-allauth"]
    major, minor = map(int, version("django-allauth").split(".")[:2])
    assert str(allauth.specifier) == f"<{major}.{minor + 1},>={major}.{minor}"

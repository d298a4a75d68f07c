"""Arrows point down: the contracts of pyproject.toml hold, between apps and inside each of them."""

import importlib.util
import os
import pkgutil
import re
import subprocess
import sys
import tomllib

import pytest

from tests.conventions.tree import ROOT

pytestmark = pytest.mark.pure

# import-linter is a tool of requirements/dev.txt. `.ci/run` sets this once it has installed that file.
REQUIRED = os.environ.get("PORTAL_DEV_TOOLS") == "required"
RUN = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"


def test_every_import_contract_is_kept():
    if importlib.util.find_spec("importlinter") is None and not REQUIRED:
        pytest.skip("import-linter is not installed here (requirements/dev.txt)")
    lint = subprocess.run(
        [sys.executable, "-c", RUN, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert lint.returncode == 0, lint.stdout + lint.stderr
    assert "0 broken" in lint.stdout


def test_every_part_of_orgs_stands_in_one_layer():
    """The tenant is beneath the other apps, the rest of ``apps.orgs`` above them; import-linter asks for each name."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    order = next(each["layers"] for each in contracts if each["id"] == "apps")
    named = re.findall(r"\bapps\.orgs\.(\w+)", " ".join(order))
    parts = {module.name for module in pkgutil.iter_modules([str(ROOT / "apps/orgs")])} - {"apps", "migrations"}
    assert sorted(named) == sorted(parts)

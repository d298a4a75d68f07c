"""What developers and a hosted CI start with agrees with the project: Makefile, hooks, workflow, forms of issues."""

import configparser
import fnmatch
import json
import os
import re
import shutil
import subprocess
import tomllib

import pytest
import yaml

import integrations_portal
from manage import MAX_PYTHON, MIN_PYTHON
from tests.conventions.tree import ROOT, python_modules, read

pytestmark = pytest.mark.pure

TARGETS = ("demo", "test", "coverage", "lint", "bench", "docs", "locale", "pictures")
PROJECT = tomllib.loads(read("pyproject.toml"))
PYTHONS = [f"3.{minor}" for minor in range(MIN_PYTHON[1], MAX_PYTHON[1] + 1)]


@pytest.mark.skipif(not shutil.which("make"), reason="needs make")
@pytest.mark.parametrize("target", TARGETS)
def test_each_target_of_the_makefile_has_its_commands(target):
    environment = {name: value for name, value in os.environ.items() if name != "PORTAL_VENV"}
    for more in ({}, {"PORTAL_VENV": "/opt/portal"}):
        done = subprocess.run(["make", "-n", target], cwd=ROOT, env=environment | more, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.strip(), done.stderr
    # An environment that somebody named is used as it is.
    assert "pip" not in done.stdout and (target in ("demo", "test", "coverage") or "/opt/portal/bin/" in done.stdout)


def test_contributing_names_each_target():
    told = set(" ".join(re.findall(r"^\$ make ([a-z ]+[a-z])", read("CONTRIBUTING.md"), re.MULTILINE)).split())
    assert told == {*TARGETS} - {"demo", "test"}  # which README has as manage.py's own


def test_the_workflow_runs_what_contributing_asks_for_on_every_python():
    jobs = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]
    runs = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    pythons = {name: job["strategy"]["matrix"]["python"] for name, job in jobs.items()}
    assert runs["everything"] == [".ci/run"] and pythons["everything"] == [PYTHONS[0], PYTHONS[-1]]
    both = "\n".join(runs["two-commands"])
    assert [each for each in ("python3 manage.py demo", "python3 manage.py test") if each not in both] == []
    assert pythons["two-commands"] == PYTHONS[1:-1]


def test_the_project_promises_the_pythons_that_manage_py_takes():
    promised = f">=3.{MIN_PYTHON[1]},<3.{MAX_PYTHON[1] + 1}"
    assert PROJECT["project"]["requires-python"] == promised
    assert PROJECT["tool"]["mypy"]["python_version"] == PYTHONS[0]
    assert PROJECT["tool"]["ruff"]["target-version"] == PYTHONS[0].replace("3.", "py3")


def test_hooks_run_the_tools_of_the_lock_and_fetch_nothing():
    (repository,) = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    assert repository["repo"] == "local"
    for hook in repository["hooks"]:
        assert hook["language"] == "system" and re.match(r"\.venv/bin/ruff |make lint$", hook["entry"]), hook["id"]
    locked = re.findall(r"^([\w-]+)==", read("requirements/dev.txt"), re.MULTILINE)
    assert {"pre-commit", "ruff", "mypy", "import-linter", "vulture", "pytest-cov"} <= set(locked)


def test_updates_are_proposed_for_all_that_is_pinned():
    updates = {each["package-ecosystem"]: each for each in yaml.safe_load(read(".github/dependabot.yml"))["updates"]}
    assert set(updates) == {"pip", "npm", "docker", "github-actions"}
    assert updates["pip"]["directory"] == "/requirements"
    assert (ROOT / updates["npm"]["directory"].lstrip("/") / "package-lock.json").exists()


def test_the_lock_of_npm_has_digests_and_no_addresses_of_a_registry():
    packages = json.loads(read("tests/clients/package-lock.json"))["packages"]
    locked = {name: each for name, each in packages.items() if name}
    assert [name for name, each in locked.items() if not each["integrity"].startswith("sha512-")] == []
    assert [name for name, each in locked.items() if "resolved" in each] == []
    assert locked and packages[""]["dependencies"] == json.loads(read("tests/clients/package.json"))["dependencies"]


def test_forms_of_issues_have_what_they_need():
    forms = [yaml.safe_load(path.read_text()) for path in sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))]
    assert [form["name"] for form in forms] == ["Bug", "Change"]
    for form in forms:
        asked = [part for part in form["body"] if part["type"] != "markdown"]
        assert form["description"]
        assert [part for part in asked if not (part["id"] and part["attributes"]["label"])] == []


def test_editors_and_ruff_agree():
    parser = configparser.ConfigParser()
    parser.read_string("[top]\n" + read(".editorconfig"))
    assert parser["*.py"]["max_line_length"] == str(PROJECT["tool"]["ruff"]["line-length"])
    assert parser["Makefile"]["indent_style"] == "tab"


def test_the_version_is_the_newest_released_one_everywhere():
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d$", read("CHANGELOG.md"), re.MULTILINE)
    version = PROJECT["project"]["version"]
    assert released[0] == version == integrations_portal.__version__
    assert json.loads(read("docs/openapi.json"))["info"]["version"] == version
    assert f"Version {version}." in read("README.md")


def test_vulture_ignores_nothing_that_is_gone():
    words = {word for path in python_modules() for word in re.findall(r"\w+", read(path))}
    gone = [name for name in PROJECT["tool"]["vulture"]["ignore_names"] if not fnmatch.filter(words, name)]
    assert gone == []

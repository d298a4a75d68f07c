"""What must not be in the repository: paths of one machine, addresses of package registries, notes to oneself."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conventions.tree import ROOT, relative, repository_files
from tests.servers import sigint_ignored

pytestmark = pytest.mark.pure

THIS_FILE = relative(Path(__file__))
MACHINE_PATH = re.compile(r"(?<![\w.])/(?:work|root|home/[a-z][\w-]*|Users/\w+|opt/venv)(?![\w@.-])|\.\./shared\b")
REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|registry\.npmjs|--(?:extra-)?index-url|--find-links|//[^\s/]+/simple\b"
)
NOTE = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
MOST_BYTES = 1_000_000


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    """List where a pattern stands in the repository's text files."""
    found = []
    for path in repository_files():
        raw = path.read_bytes()
        if relative(path) == THIS_FILE or b"\0" in raw or len(raw) > MOST_BYTES:
            continue
        lines = enumerate(raw.decode("utf-8", "replace").splitlines(), start=1)
        found += [f"{relative(path)}:{number}: {line.strip()[:80]}" for number, line in lines if pattern.search(line)]
    return found


def test_no_path_of_a_machine():
    assert lines_with(MACHINE_PATH) == []


def test_no_address_of_a_package_registry():
    assert lines_with(REGISTRY) == []


def test_no_note_to_oneself():
    assert lines_with(NOTE) == []


def test_no_large_file_and_no_secret_by_name():
    names = [relative(path) for path in repository_files()]
    large = [relative(path) for path in repository_files() if path.stat().st_size > MOST_BYTES]
    secret = [name for name in names if re.search(r"(^|/)\.env(?!\.example$)|\.(pem|key|sqlite3)$", name)]
    assert (large, secret) == ([], [])


def test_children_of_the_tests_start_with_default_signals():
    """Also where the run was started in the background of a script, which ignores SIGINT."""
    child = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
    parent = f"import subprocess, sys, tests.environment; subprocess.run([sys.executable, '-c', {child!r}])"
    with sigint_ignored():
        done = subprocess.run([sys.executable, "-c", parent], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"

"""The project's own files: where they are, and what is in them."""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("apps", "integrations_portal")


def relative(path: Path) -> str:
    """Write a path as it stands in the repository."""
    return path.relative_to(ROOT).as_posix()


def python_modules() -> list[Path]:
    """List every module of the product, migrations left out."""
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted(path for path in found if "migrations" not in path.parts)


def templates() -> list[Path]:
    """List every template that becomes a page."""
    return sorted((ROOT / "templates").rglob("*.html"))


def read(path: Path | str) -> str:
    """Read a file of the repository by its path, or by its name from the root."""
    return (ROOT / path).read_text(encoding="utf-8")


@cache
def tree_of(path: Path) -> ast.Module:
    """Parse a module once."""
    return ast.parse(read(path), filename=relative(path))


def calls_in(path: Path) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call in a module with the last part of what it calls."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call):
            function = node.func
            yield (getattr(function, "attr", None) or getattr(function, "id", "")), node


def texts(nodes: list[ast.expr]) -> list[str]:
    """Return the plain strings among some arguments."""
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def documents() -> dict[str, str]:
    """Return every page that people read, by its name."""
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]
    return {relative(page): read(page) for page in pages}


def names_word(text: str, word: str) -> bool:
    """Tell whether a page names a word, and not only a longer one that holds it."""
    return re.search(rf"(?<![\w.:-]){re.escape(word)}(?![\w:-])", text) is not None


def repository_files() -> list[Path]:
    """List what git keeps or would keep; outside a repository the test is skipped."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git repository")
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return sorted(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())

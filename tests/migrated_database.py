"""An SQLite file with every migration applied, made once for each state of the migrations and copied from then on.

It lies in pytest's cache folder under a name made of all that it depends on, so a changed migration makes another one.
``pytest --create-db`` migrates without it.
"""

import ast
import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import django
from django.apps import apps
from django.conf import settings

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".pytest_cache" / "d" / "migrated-databases"
KEPT = 4  # of other branches, and of one that is worked on
# What receivers of post_migrate write depends on more than the migrations: each run writes it by itself.
MIGRATE = """
import django
from django.core.management import call_command
from django.db.models.signals import post_migrate
django.setup()
post_migrate.receivers.clear()
call_command("migrate", interactive=False, run_syncdb=True, verbosity=0)
"""


def copy_migrated_database(target: Path) -> None:
    """Write a migrated database to a file; the first process of all migrates, others wait for it."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = FOLDER / f"{fingerprint()}.sqlite3"
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            _make(made)
        made.touch()
        for old in sorted(FOLDER.glob("*.sqlite3"), key=lambda file: file.stat().st_mtime)[:-KEPT]:
            old.unlink()
        shutil.copyfile(made, target)


def _make(made: Path) -> None:
    """Migrate in another process, in a file that gets its name when it is complete."""
    draft = made.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{draft}"}
    done = subprocess.run(
        [sys.executable, "-c", MIGRATE], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"The migrations do not run:\n{done.stderr}")
    draft.rename(made)


def fingerprint() -> str:
    """Return a hash of the installed apps, their migrations, what those import of ours, and the versions in use."""
    versions = (sys.version, sqlite3.sqlite_version, django.__version__)
    digest = hashlib.sha256(repr((versions, settings.INSTALLED_APPS)).encode())
    for file in sorted({*_migrations(), *_imported_by_migrations()}):
        digest.update(f"{file}\0{len(content := file.read_bytes())}\0".encode() + content)
    return digest.hexdigest()[:20]


def _migrations() -> list[Path]:
    return [file for app in apps.get_app_configs() for file in Path(app.path, "migrations").rglob("*.py")]


def _imported_by_migrations() -> set[Path]:
    """Return our own modules that migrations import, and those that these import."""
    waiting = [file for file in _migrations() if file.is_relative_to(ROOT / "apps")]
    found: set[Path] = set()
    while waiting:
        for file in _imports(waiting.pop()):
            if file not in found:
                found.add(file)
                waiting.append(file)
    return found


def _imports(file: Path) -> Iterator[Path]:
    """Yield the files of ours that a module imports, at its top or in a function."""
    package = file.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(file.read_bytes())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) + 1 - node.level] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            path = ROOT.joinpath(*name.split("."))
            yield from (each for each in (path.with_suffix(".py"), path / "__init__.py") if each.is_file())

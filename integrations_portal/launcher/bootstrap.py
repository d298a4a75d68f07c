"""Start a command inside an environment that has what it needs; for `demo` and `test`, make that environment.

Standard library only: this runs before anything is installed. In this order:

1. `PORTAL_VENV` names an environment: it is used as it is.
2. The running interpreter already carries the lock's packages (an image, CI): run in place.
3. `.venv` in the project's root, made from the lock where it is missing or no longer true.
"""

import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NoReturn

from integrations_portal.launcher.packages import (
    LOG,
    PIN,
    ROOT,
    exit_with_log,
    install,
    lock_bytes,
    pip_command,
    print_status,
    run_quietly,
)

VENV = ROOT / ".venv"
VENV_PYTHON = VENV / "bin" / "python"
READY_FILE = VENV / ".portal-ready"  # written last: what the environment holds
CREATED_FILE = VENV / ".portal-made"  # written first: this environment is ours, so we may remove it
VAR = ROOT / "var"

BASE, TEST = "base.txt", "test.txt"
LOCKS = {"demo": BASE, "test": TEST}
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
RESTARTED_VARIABLE = "PORTAL_STARTED_AGAIN"
# One process more than cores, as much of the suite waits; files stay whole, for they share servers, and in their order.
WHOLE_SUITE = ["-n", str(min((os.cpu_count() or 1) + 1, 4)), "--dist", "loadfile", "--no-loadscope-reorder"]
# Django alone proves little: many machines have some Django of their own.
REQUIRED_MODULES = ("django", "environ", "rest_framework", "celery")
INSTALLED = re.compile(r"([^-]+)-(.+)\.dist-info")


def run_in_environment(command: str, words: list[str]) -> None:
    """Return where this interpreter can run the command; start again in one that can otherwise."""
    # exec keeps the process id, children get another: this neither goes round in a circle nor leaks to them.
    is_restarted = os.environ.pop(RESTARTED_VARIABLE, "") == str(os.getpid())
    python = sys.executable if is_restarted else python_for(command)
    if command == "test":
        os.chdir(ROOT)
        start(python, ["-m", "pytest", *(words[1:] or WHOLE_SUITE)])
    if python != sys.executable:
        os.environ[RESTARTED_VARIABLE] = str(os.getpid())
        start(python, [str(ROOT / "manage.py"), *words])
    if not has_required_modules():
        sys.exit(f"{sys.prefix} has no complete set of packages: install requirements/{BASE} there.")


def start(python: str, arguments: list[str]) -> NoReturn:
    """Replace this process by `python` with these arguments."""
    os.execv(python, [str(python), *arguments])  # noqa: S606  no shell is wanted


def python_for(command: str) -> str:
    """Find the interpreter for `command`, setting one up where that is the command's right."""
    if named := os.environ.get("PORTAL_VENV"):
        return python_of_environment(Path(named).expanduser().absolute(), command)
    if command in LOCKS:
        return sys.executable if has_locked_packages(LOCKS[command]) else locked_python(LOCKS[command])
    if has_required_modules():
        return sys.executable
    if VENV_PYTHON.exists():
        return str(VENV_PYTHON)
    sys.exit(f"Django is not installed here: run `python3 manage.py demo`, or install requirements/{BASE}.")


def has_packages() -> bool:
    """Return whether an environment exists for commands that don't set one up."""
    return bool(os.environ.get("PORTAL_VENV")) or has_required_modules() or VENV_PYTHON.exists()


def python_of_environment(environment: Path, command: str) -> str:
    """Return the interpreter of the environment that PORTAL_VENV names."""
    if Path(sys.prefix).resolve() == environment.resolve():
        return sys.executable
    python = environment / "bin" / "python"
    if not python.exists():
        sys.exit(f"PORTAL_VENV={environment} is not an environment: it has no bin/python.")
    # Other commands find out after the start; pytest would only stumble over it.
    if command == "test" and run_quietly([python, "-c", "import django, pytest"]).returncode:
        sys.exit(f"PORTAL_VENV={environment} lacks Django or pytest: install requirements/{TEST} there.")
    return str(python)


def has_required_modules() -> bool:
    """Return whether this interpreter has the packages that every command needs."""
    return all(importlib.util.find_spec(name) for name in REQUIRED_MODULES)


def pinned_versions(lock: str) -> dict[str, str]:
    """Read name → version of what the lock wants on every machine: lines with a marker are optional."""
    return {name: version for name, version, marker in PIN.findall(lock_bytes(lock).decode()) if not marker}


def fingerprint(lock: str) -> str:
    """Return the SHA-256 of the lock file."""
    return hashlib.sha256(lock_bytes(lock)).hexdigest()


def has_locked_packages(lock: str) -> bool:
    """Return whether the running interpreter has every package of the lock at its pinned version."""
    return pinned_versions(lock).items() <= installed_versions().items()


def installed_versions() -> dict[str, str]:
    """Read name → version off the installed packages' folders: ten times as fast as importlib.metadata."""
    versions: dict[str, str] = {}
    for folder in reversed(sys.path):  # the first one on the path wins
        with contextlib.suppress(OSError):  # an archive, or a folder that is gone
            found = (INSTALLED.fullmatch(name) for name in os.listdir(folder or "."))
            versions.update((re.sub(r"[-_.]+", "-", each[1]).lower(), each[2]) for each in found if each)
    return versions


def is_ready(lock: str) -> bool:
    """Return whether `.venv` has the packages of the current lock file."""
    return installed_locks().get(lock) == fingerprint(lock)


def installed_locks() -> dict[str, str]:
    """Read lock → SHA-256 of what `.venv` holds: nothing where it was not finished here, by this Python."""
    try:
        ready = json.loads(READY_FILE.read_text())
        is_current = VENV_PYTHON.exists() and (ready["root"], ready["python"]) == (str(ROOT), PYTHON)
        return dict(ready["locks"]) if is_current else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def locked_python(lock: str) -> str:
    """Give `.venv`'s interpreter, setting `.venv` up first where it is not ready for `lock`."""
    if not is_ready(lock):
        try:
            with exclusive_lock("bootstrap.lock") as held:
                if not is_ready(lock):  # another start may have done it while we waited
                    install_lock(lock, held)
        except OSError as problem:
            sys.exit(f"Setting up .venv failed: {problem}. The log is {LOG}.")
        except KeyboardInterrupt:
            print_status("stopped; the next start sets up again")
            sys.exit(130)
    return str(VENV_PYTHON)


@contextlib.contextmanager
def exclusive_lock(name: str) -> Iterator[IO[str]]:
    """Hold an exclusive lock on `var/<name>`, waiting for other processes."""
    VAR.mkdir(mode=0o700, exist_ok=True)
    with open(VAR / name, "a") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print_status("waiting for another start to finish its set-up")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield held


def install_lock(lock: str, held: IO[str]) -> None:
    """Make `.venv` hold the lock's packages, and write down that it does."""
    LOG.write_bytes(b"")
    interpreters = base_interpreters()
    # What `demo` made only lacks packages for `test`: adding leaves a running demo its environment.
    if installed_locks() != {BASE: fingerprint(BASE)} and not is_created_elsewhere():
        create_environment(interpreters[0])
    install(pip_command(interpreters, VENV_PYTHON), lock, held)
    write_ready(lock)
    print_status("ready")


def is_created_elsewhere() -> bool:
    """Return whether `.venv` was not created here: packages are then only added, never removed."""
    if CREATED_FILE.exists() or not VENV_PYTHON.exists():
        return False
    if not (VENV / "lib" / f"python{PYTHON}").is_dir():
        sys.exit(f".venv is not manage.py's, nor for Python {PYTHON}: move it away, or set PORTAL_VENV.")
    return True


def base_interpreters() -> list[str]:
    """List the interpreters that outlive `.venv`: the running one, and its base where that is another."""
    base = getattr(sys, "_base_executable", sys.executable)
    is_inside = Path(sys.prefix).resolve() == VENV.resolve()
    return [base] if is_inside else list(dict.fromkeys([sys.executable, base]))


def create_environment(python: str) -> None:
    """Create `.venv` again. Without pip: that is fast, and works where a system ships venv but not ensurepip."""
    print_status(f"making .venv with Python {PYTHON}")
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        VENV_PYTHON.unlink(missing_ok=True)  # first: cut short, it looks neither ready nor another program's
        shutil.rmtree(VENV)
    VENV.mkdir()
    CREATED_FILE.touch()
    made = run_quietly([python, "-m", "venv", "--without-pip", VENV])
    if made.returncode:
        LOG.write_text(made.stdout, encoding="utf-8")
        exit_with_log("The environment could not be made: install Python's venv (Debian: `apt install python3-venv`)")


def write_ready(lock: str) -> None:
    """Write down, at once or not at all, what `.venv` now holds."""
    held = {lock: fingerprint(lock)}
    if pinned_versions(BASE).items() <= pinned_versions(lock).items():  # what serves `test` serves `demo`
        held[BASE] = fingerprint(BASE)
    draft = READY_FILE.with_suffix(".draft")
    draft.write_text(json.dumps({"root": str(ROOT), "python": PYTHON, "locks": held}, indent=1))
    os.replace(draft, READY_FILE)

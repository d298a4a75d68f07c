"""Run a command in a virtual environment with the packages that it needs; `demo` and `test` create it.

Standard library only: this runs before anything is installed. The environment is, in this order:

1. the one that `PORTAL_VENV` names, unchanged;
2. that of the running interpreter, if it has the packages of the lock file (an image, CI);
3. `.venv` in the project's root, created from the lock file if it is missing or out of date.
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
READY_FILE = VENV / ".portal-ready"  # written last: the installed lock files
CREATED_FILE = VENV / ".portal-made"  # written first: this module created the environment, so it can remove it
VAR = ROOT / "var"

BASE, TEST = "base.txt", "test.txt"
LOCKS = {"demo": BASE, "test": TEST}
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
RESTARTED_VARIABLE = "PORTAL_STARTED_AGAIN"
# One process more than cores, as many tests wait. Tests of a file share servers and run in one process, in order.
WHOLE_SUITE = ["-n", str(min((os.cpu_count() or 1) + 1, 4)), "--dist", "loadfile", "--no-loadscope-reorder"]
# Several packages are checked, because many machines have Django installed for other projects.
REQUIRED_MODULES = ("django", "environ", "rest_framework", "celery")
INSTALLED = re.compile(r"([^-]+)-(.+)\.dist-info")


def ensure_environment(command: str, words: list[str]) -> None:
    """Return if this interpreter can run the command; otherwise replace the process by one that can."""
    # exec keeps the process id: the variable prevents a loop, and has no effect on child processes.
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
    """Return the interpreter for `command`; `demo` and `test` install one if needed."""
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
    # Other commands check this after they start; pytest would fail with a traceback.
    if command == "test" and run_quietly([python, "-c", "import django, pytest"]).returncode:
        sys.exit(f"PORTAL_VENV={environment} lacks Django or pytest: install requirements/{TEST} there.")
    return str(python)


def has_required_modules() -> bool:
    """Return whether this interpreter has the packages that every command needs."""
    return all(importlib.util.find_spec(name) for name in REQUIRED_MODULES)


def pinned_versions(lock: str) -> dict[str, str]:
    """Return name and version of each package in the lock file, without packages that depend on the platform."""
    return {name: version for name, version, marker in PIN.findall(lock_bytes(lock).decode()) if not marker}


def fingerprint(lock: str) -> str:
    """Return the SHA-256 of the lock file."""
    return hashlib.sha256(lock_bytes(lock)).hexdigest()


def has_locked_packages(lock: str) -> bool:
    """Return whether the running interpreter has every package of the lock at its pinned version."""
    return pinned_versions(lock).items() <= installed_versions().items()


def installed_versions() -> dict[str, str]:
    """Return name and version of each installed package by its folder, ten times as fast as importlib.metadata."""
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
    """Return the SHA-256 of each lock file installed in `.venv`; empty if it is incomplete or of another Python."""
    try:
        ready = json.loads(READY_FILE.read_text())
        is_current = VENV_PYTHON.exists() and (ready["root"], ready["python"]) == (str(ROOT), PYTHON)
        return dict(ready["locks"]) if is_current else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def locked_python(lock: str) -> str:
    """Return the interpreter of `.venv`, after installing `lock` there if needed."""
    if not is_ready(lock):
        try:
            with exclusive_lock("bootstrap.lock") as held:
                if not is_ready(lock):  # another process can have done it meanwhile
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
    """Install the lock's packages in `.venv` and record that."""
    LOG.write_bytes(b"")
    interpreters = base_interpreters()
    # An environment that `demo` created only lacks packages of `test`: they are added, because a demo can be running.
    if installed_locks() != {BASE: fingerprint(BASE)} and not is_created_elsewhere():
        create_environment(interpreters[0])
    install(pip_command(interpreters, VENV_PYTHON), lock, held)
    write_ready(lock)
    print_status("ready")


def is_created_elsewhere() -> bool:
    """Return whether the user created `.venv`: packages are then only added, never removed."""
    if CREATED_FILE.exists() or not VENV_PYTHON.exists():
        return False
    if not (VENV / "lib" / f"python{PYTHON}").is_dir():
        sys.exit(f".venv is not manage.py's, nor for Python {PYTHON}: move it away, or set PORTAL_VENV.")
    return True


def base_interpreters() -> list[str]:
    """Return the interpreters outside `.venv`: the running one, and the one that it is based on."""
    base = getattr(sys, "_base_executable", sys.executable)
    is_inside = Path(sys.prefix).resolve() == VENV.resolve()
    return [base] if is_inside else list(dict.fromkeys([sys.executable, base]))


def create_environment(python: str) -> None:
    """Create `.venv` again, without pip: that is fast, and works on systems with venv but without ensurepip."""
    print_status(f"making .venv with Python {PYTHON}")
    if VENV.is_symlink():
        VENV.unlink()
    elif VENV.exists():
        VENV_PYTHON.unlink(missing_ok=True)  # first, so that an interrupted removal is neither ready nor the user's
        shutil.rmtree(VENV)
    VENV.mkdir()
    CREATED_FILE.touch()
    made = run_quietly([python, "-m", "venv", "--without-pip", VENV])
    if made.returncode:
        LOG.write_text(made.stdout, encoding="utf-8")
        exit_with_log("The environment could not be made: install Python's venv (Debian: `apt install python3-venv`)")


def write_ready(lock: str) -> None:
    """Record atomically which lock files are installed in `.venv`."""
    held = {lock: fingerprint(lock)}
    if pinned_versions(BASE).items() <= pinned_versions(lock).items():  # packages for `test` include those for `demo`
        held[BASE] = fingerprint(BASE)
    draft = READY_FILE.with_suffix(".draft")
    draft.write_text(json.dumps({"root": str(ROOT), "python": PYTHON, "locks": held}, indent=1))
    os.replace(draft, READY_FILE)

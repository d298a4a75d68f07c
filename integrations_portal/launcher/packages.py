"""Install locked packages with pip, and print progress and advice.

Standard library only: this runs before anything is installed.
"""

import re
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NoReturn

from integrations_portal.launcher.reaper import Reaper

ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "var" / "bootstrap.log"
QUIET_OPTIONS: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT,
                 "cwd": ROOT, "encoding": "utf-8", "errors": "replace"}  # fmt: skip
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)[ \t]*(;?)", re.MULTILINE)
# pip's output for each package: from an index, from a file, or already installed.
PIP_PACKAGE = re.compile(r"(?:Collecting|Processing|\w+ already satisfied:) (?:\S*/)?([\w.]+(?:-[A-Za-z]\w*)*)")
ADVICE = (
    ("No space left on device", "The disk is full: make room"),
    ("Permission denied", "A file may not be written: check who owns the project's folder"),
    ("DO NOT MATCH THE HASHES", "A package is not the locked one: check the package index or proxy in use"),
    ("CERTIFICATE_VERIFY_FAILED", "The package index's certificate is not trusted: set pip's `cert` option"),
    ("subprocess-exited-with-error", "A package has no wheel for this machine and did not build"),
    ("No matching distribution", "A package was not found: check the network and pip's package index"),
    ("onnection", "The package index could not be reached: check the network and the proxy settings"),
)


def lock_bytes(lock: str) -> bytes:
    """Return the content of a lock file."""
    try:
        return (ROOT / "requirements" / lock).read_bytes()
    except OSError as problem:
        sys.exit(f"requirements/{lock} cannot be read: {problem.strerror}.")


def pip_command(interpreters: list[str], target_python: Path) -> list[str | Path]:
    """Return the command of a pip that can install into the environment of `target_python`, which can lack pip."""
    for python in interpreters:
        version = re.match(r"(\d+)\.(\d+)", run_quietly([python, "-c", "import pip; print(pip.__version__)"]).stdout)
        if version and (int(version[1]), int(version[2])) >= (22, 3):  # the first with --python
            return [python, "-m", "pip", "--python", target_python]
    if run_quietly([target_python, "-m", "ensurepip"]).returncode == 0:
        return [target_python, "-m", "pip"]
    sys.exit("pip 22.3 or newer is needed: install it (Debian: `apt install python3-pip`), then start again.")


def run_quietly(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    """Run a short command and return its exit code and output."""
    with interrupting_reaper() as children:
        running = children.start(command, **QUIET_OPTIONS)
        output, _ = running.communicate()
    return subprocess.CompletedProcess(command, running.returncode, output)


def interrupting_reaper() -> Reaper:
    """Return a Reaper that sends SIGINT first: pip then removes its temporary files."""
    return Reaper(signal.SIGINT)


def install(pip: list[str | Path], lock: str, lock_file: IO[str]) -> None:
    """Install the packages of a lock file with `pip`, with progress on stderr."""
    command = [*pip, "install", "--require-hashes", "--no-user", "--no-input", "--disable-pip-version-check"]
    command += ["--progress-bar", "off", "-r", ROOT / "requirements" / lock]
    # pip inherits the lock: if this process is killed, the next start waits until pip has ended.
    total = len(PIN.findall(lock_bytes(lock).decode()))
    with interrupting_reaper() as children, LOG.open("a", encoding="utf-8", buffering=1) as log:
        running = children.start(command, pass_fds=[lock_file.fileno()], **QUIET_OPTIONS)
        for line in with_progress(running.stdout or (), total):
            log.write(line)
        failed = running.wait()
    if failed:
        exit_with_log("The packages could not be installed: see the log")


def with_progress(lines: Iterable[str], total: int) -> Iterator[str]:
    """Yield pip's output lines, and print to stderr how many packages it has fetched."""
    seen: set[str] = set()
    for line in lines:
        if line.startswith("Ignoring "):
            total -= 1  # not for this platform
        elif found := PIP_PACKAGE.match(line):
            seen.add(found[1].replace("_", "-").lower())
            show_progress(min(len(seen), total), total)
        elif line.startswith("Installing collected packages"):
            print_status(f"unpacking {line.count(',') + 1} packages …")
        yield line


def show_progress(done: int, total: int) -> None:
    """Print the count: on one line of a terminal, else for every tenth package."""
    text = f"installing {total} packages … ({done}/{total})"
    if sys.stderr.isatty():
        print(f"\r{text}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done == 1 or done % 10 == 0 or done == total:
        print_status(text)


def exit_with_log(default_advice: str) -> NoReturn:
    """Exit with the last lines of the log and one sentence of advice."""
    text = LOG.read_text(encoding="utf-8")
    advice = next((advice for sign, advice in ADVICE if sign in text), default_advice)
    print("\n" + "\n".join(text.splitlines()[-12:]), file=sys.stderr)
    sys.exit(f"\n{advice}; then start again. The whole log is {LOG}.")


def print_status(text: str) -> None:
    """Print one line of progress on stderr: stdout belongs to the command."""
    print(text, file=sys.stderr, flush=True)

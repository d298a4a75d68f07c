"""README's two commands on an early patch release of each Python that is promised, in a fresh clone.

Debian's Pythons come with pip and without python3-venv, as `apt-get install python3 python3-pip` leaves them. 3.12 is
in no Debian: it is taken from this machine, as is a 3.13 that is older than Debian's.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import debian, demos
from tests.servers import free_port
from tests.test_install import OF_THE_MACHINE

pytestmark = [pytest.mark.long, pytest.mark.pure, pytest.mark.clone]

DEBIANS = {"3.11": "bookworm", "3.13": "trixie", "3.14": "testing"}
THERE = "/mnt/portal"
INSTALL = "DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends"
NEEDED = f"apt-get -o Acquire::Check-Valid-Until=false update -qq && {INSTALL} python3 python3-pip git ca-certificates"
# What is left out on all but the oldest takes most of the time, and depends on other programs more than on Python.
QUICKER = '-n 2 --dist loadfile -m "not browser and not clone and not faults"'
SUITE = {"3.11": ""}
SUITE_SECONDS = 3600
ENTER = """
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$FOLDER/upper,workdir=$FOLDER/scratch" "$FOLDER/whole"
cd "$FOLDER/whole"
mkdir -p ".$THERE"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs tmp
mount --bind "$CLONE" ".$THERE"
cp /etc/resolv.conf etc/
exec env -i $(which chroot) . env --chdir="$THERE" "$@"
"""


class OfThisMachine:
    """A Python of this machine and nothing else of it."""

    def __init__(self, python: Path, folder: Path) -> None:
        self.folder = folder
        self._variables = {"PATH": f"{python.parent}:/usr/bin:/bin", "HOME": str(Path.home()), "LANG": "C.UTF-8"}

    def words(self, script: str) -> list[str]:
        """Give the command that runs a script in the clone."""
        variables = [f"{name}={value}" for name, value in (self._variables | of_the_network()).items()]
        return ["env", "-i", f"--chdir={self.folder}", *variables, "bash", "-c", script]


class OfDebian:
    """The Python of a Debian that has little else: its files over a base that is kept, in namespaces of its own."""

    def __init__(self, release: str, clone: Path, folder: Path) -> None:
        for name in ("upper", "scratch", "whole"):
            (folder / name).mkdir()
        (folder / "upper").chmod(0o755)  # becomes the mode of its root
        self._mounts = {"BASE": str(debian.base(release)), "FOLDER": str(folder), "CLONE": str(clone), "THERE": THERE}
        self._variables = of_the_network() | {"PATH": debian.PATH, "HOME": debian.HOME, "LANG": "C.UTF-8"}
        if debian.HOST_AUTHORITIES.exists():
            (folder / "upper/opt").mkdir()
            shutil.copy(debian.HOST_AUTHORITIES, folder / "upper/opt/authorities.pem")
            self._variables["PIP_CERT"] = "/opt/authorities.pem"
        done = subprocess.run(self.words(NEEDED), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout[-2000:]

    def words(self, script: str) -> list[str]:
        """Give the command that runs a script in the clone, where nothing outlives it."""
        apart = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-euc", ENTER, "enter"]
        plain = [f"{name}={value}" for name, value in self._variables.items()]
        mounts = [f"{name}={value}" for name, value in self._mounts.items()]
        return ["env", *mounts, *apart, *plain, "bash", "-c", script]


def of_the_network() -> dict[str, str]:
    """What this machine says of its network, and nothing else of its environment."""
    return {name: os.environ[name] for name in OF_THE_MACHINE if name in os.environ}


def patch_of(python: Path) -> int | None:
    """Give the patch release of a Python, nothing where it does not run."""
    told = subprocess.run([python, "-IV"], capture_output=True, text=True).stdout
    return int(found[1]) if (found := re.fullmatch(r"Python 3\.\d+\.(\d+)\s*", told)) else None


def oldest_here(version: str) -> Path | None:
    """Find the oldest patch release of a version that this machine has, on the path or of pyenv."""
    named = [Path(found) for found in [shutil.which(f"python{version}")] if found]
    found = [*named, *Path.home().glob(f".pyenv/versions/{version}.*/bin/python3")]
    running = {python: patch for python in found if (patch := patch_of(python)) is not None}
    return min(running, key=lambda python: running[python], default=None)


@contextmanager
def place_of(version: str, folder: Path):
    """Where a version runs: on Debian where that has it, else here; the test is skipped where neither does."""
    clone = demos.clone_to(folder / "portal")
    here = oldest_here(version) if version in ("3.12", "3.13") else None
    if here is not None:
        yield OfThisMachine(here, clone)
    elif version in DEBIANS:
        if os.geteuid() != 0 or not shutil.which("debootstrap"):
            pytest.skip("needs root and debootstrap")
        yield OfDebian(DEBIANS[version], clone, folder)
        for name in ("whole", "scratch", "upper"):
            shutil.rmtree(folder / name, ignore_errors=True)
    else:
        pytest.skip(f"there is no Python {version} on this machine")


def serves(place: "OfThisMachine | OfDebian") -> None:
    """The first command serves the sign-in page and the API, and ends on Ctrl-C."""
    port = free_port()
    script = f"python3 manage.py demo --json --port {port}; echo ended $?"
    with subprocess.Popen(place.words(script), stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
                          start_new_session=True) as demo:  # fmt: skip
        try:
            told = json.loads(demo.stdout.readline())
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/account/login/", timeout=30) as page:
                assert b'name="password"' in page.read()
            asked = urllib.request.Request(
                f"http://127.0.0.1:{port}/v1/me", headers={"Authorization": f"Bearer {told['api_key']}"}
            )
            with urllib.request.urlopen(asked, timeout=30) as answer:
                assert json.load(answer)["organization"]["slug"] == "acme"
        finally:
            os.killpg(demo.pid, signal.SIGINT)  # as a terminal does: to the shell and all it runs
        assert demo.stdout.read().splitlines()[-1:] == ["ended 0"]


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_the_two_commands_of_the_readme(version, tmp_path):
    with place_of(version, tmp_path) as place:
        told = subprocess.run(place.words("python3 -V"), capture_output=True, text=True).stdout
        assert told.startswith(f"Python {version}.")
        serves(place)
        began = time.monotonic()
        words = f"python3 manage.py test {SUITE.get(version, QUICKER)}"
        done = subprocess.run(place.words(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=SUITE_SECONDS)  # fmt: skip
        print(f"{told.strip()}: {done.stdout.splitlines()[-1]} ({time.monotonic() - began:.0f} s)")
        assert done.returncode == 0, done.stdout[-6000:]

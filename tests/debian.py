"""A Debian of a test's own, as fresh as its installer leaves it, with systemd as its first process.

It runs in namespaces: its files lie over a base that debootstrap made once (kept in ~/.cache), its network has loopback
alone, and what installs packages borrows the machine's network. Needs root and Linux; leaves nothing but the base.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "portal-tests"
HOST_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
ARCHIVES = "var/cache/apt/archives"
UMASK = 0o022  # the portal's own settings, which the tests have loaded, are stricter
HOME = os.path.expanduser("~root")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
BOOT = r"""
set -e
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=$BASE,upperdir=$FOLDER/upper,workdir=$FOLDER/scratch" "$FOLDER/whole"
cd "$FOLDER/whole"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
for name in null zero full random urandom tty; do touch dev/$name; mount --bind /dev/$name dev/$name; done
ln -s /proc/self/fd dev/fd
for pair in 0:stdin 1:stdout 2:stderr; do ln -s /proc/self/fd/${pair%%:*} dev/${pair#*:}; done
mkdir dev/shm dev/pts
mount -t tmpfs tmpfs dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
: > dev/console
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
for pair in $BINDS; do mkdir -p ".${pair#*=}"; mount --bind "${pair%%=*}" ".${pair#*=}"; done
if [ -n "$NAMED" ]; then
    mount -t tmpfs -o mode=755 tmpfs sys/fs/cgroup
    mkdir sys/fs/cgroup/systemd sys/fs/cgroup/unified
    mount -t cgroup -o none,name=systemd cgroup sys/fs/cgroup/systemd
    mount -t cgroup2 cgroup2 sys/fs/cgroup/unified
else
    mount -t cgroup2 cgroup2 sys/fs/cgroup
fi
# Not chroot alone: inside of one, the system gives no user namespaces, which Debian's units ask for.
mkdir .old
pivot_root . .old
START='umount -l /.old && rmdir /.old && exec /lib/systemd/systemd'
exec env -i container=portal-test PATH="$PATH" chroot . sh -c "$START"
"""


def base(release: str) -> Path:
    """Give the folder of a fresh Debian, made at the first call from the archive that this machine uses."""
    folder = CACHE / release
    if not folder.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        draft = CACHE / f"{release}.{os.getpid()}"
        try:
            words = ["debootstrap", release, str(draft), mirror()]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL, umask=UMASK)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    return folder


def mirror() -> str:
    """Find the archive of Debian in the machine's own lists."""
    files = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    text = "\n".join(file.read_text() for file in files if file.is_file())
    found = re.search(r"https?://\S+/debian/?(?=\s|$)", text)
    return found[0] if found else "http://deb.debian.org/debian"


def hierarchies() -> dict[str, Path]:
    """Find where groups of processes are kept: systemd's own hierarchy (old machines) and the unified one."""
    found = {}
    for line in Path("/proc/mounts").read_text().splitlines():
        _what, where, kind, options = line.split()[:4]
        if kind == "cgroup2":
            found["unified"] = Path(where)
        elif kind == "cgroup" and "name=systemd" in options.split(","):
            found["named"] = Path(where)
    return found


class Debian:
    """One that runs, until the end of the block that made it."""

    def __init__(self, folder: Path, release: str, binds: dict[Path, str]) -> None:
        self.folder, self.groups = folder, [each / f"portal-test-{os.getpid()}" for each in hierarchies().values()]
        for name in ("upper", "scratch", "whole"):
            (folder / name).mkdir()
        (folder / "upper").chmod(0o755)  # becomes the mode of its root
        for group in self.groups:
            group.mkdir()
        variables = {"BASE": str(base(release)), "FOLDER": str(folder), "PATH": PATH,
                     "NAMED": "yes" if "named" in hierarchies() else "",
                     "BINDS": " ".join(f"{here}={there}" for here, there in binds.items())}  # fmt: skip
        join = " ".join(f"echo 0 > {group}/cgroup.procs;" for group in self.groups)
        apart = ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork", "--kill-child"]
        self.boot = subprocess.Popen(
            ["bash", "-c", f'{join} exec "$@"', "boot", *apart, "bash", "-c", BOOT], env=variables,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=(folder / "boot.log").open("wb"), umask=UMASK,
        )  # fmt: skip
        self.pid = self._first_process()

    def _first_process(self) -> int:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.boot.poll() is None:
            with suppress(OSError, ValueError):
                children = Path(f"/proc/{self.boot.pid}/task/{self.boot.pid}/children").read_text().split()
                if children and Path(f"/proc/{children[0]}/comm").read_text() == "systemd\n":
                    return int(children[0])
            time.sleep(0.1)
        pytest.fail("systemd did not start: " + (self.folder / "boot.log").read_text())

    def bring_packages(self) -> None:
        """Put the packages of earlier runs where apt finds them."""
        (CACHE / "apt").mkdir(parents=True, exist_ok=True)
        for package in (CACHE / "apt").glob("*.deb"):
            shutil.copy(package, self.files / ARCHIVES)

    def keep_packages(self) -> None:
        """Keep what apt fetched; several of these machines may do so at a time."""
        for package in (self.files / ARCHIVES).glob("*.deb"):
            if not (CACHE / "apt" / package.name).exists():
                draft = CACHE / "apt" / f"{os.getpid()}.part"
                shutil.copy(package, draft)
                draft.rename(CACHE / "apt" / package.name)

    @property
    def files(self) -> Path:
        """Its root, as seen from outside."""
        return Path("/proc", str(self.pid), "root")

    def words(self, script: str, *, network: bool = False, **variables: str) -> list[str]:
        """Give the command that runs a script inside, as root at a terminal would."""
        into = ["nsenter", f"--target={self.pid}", "--mount", "--uts", "--ipc", "--pid", "--cgroup", "--root", "--wd"]
        into += [] if network else ["--net"]
        plain = {"PATH": PATH, "HOME": HOME, "USER": "root", "LANG": "C.UTF-8", "TERM": "dumb", **variables}
        return [*into, "env", "-i", *(f"{name}={value}" for name, value in plain.items()), "bash", "-c", script]

    def run(self, script: str, *, timeout: int = 600, **more) -> subprocess.CompletedProcess:
        """Run a script inside to its end, its errors among what it says."""
        return subprocess.run(
            self.words(script, **more), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", timeout=timeout, umask=UMASK,
        )  # fmt: skip

    def say(self, script: str) -> str:
        """Run a script that must go well, and give what it says."""
        done = self.run(script)
        assert done.returncode == 0, f"{script}\n{done.stdout}"
        return done.stdout.strip()

    def stop(self) -> None:
        """End every process of it: the first one takes the others along."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.boot.kill()
        self.boot.wait()

    def tidy(self) -> None:
        """Leave no group of processes behind."""
        deadline = time.monotonic() + 20
        while any(group.exists() for group in self.groups) and time.monotonic() < deadline:
            for group in self.groups:
                for part, _folders, _files in os.walk(group, topdown=False):
                    with suppress(OSError):  # its processes are still on their way out
                        os.rmdir(part)
            time.sleep(0.1)


@contextmanager
def running(folder: Path, release: str, binds: dict[Path, str]):
    """A Debian with some of the machine's folders in it; the test is skipped where it cannot be had."""
    if os.geteuid() != 0 or not shutil.which("debootstrap") or not hierarchies():
        pytest.skip("needs root, debootstrap and Linux with control groups")
    debian = Debian(folder, release, binds)
    try:
        debian.run("systemctl is-system-running --wait", timeout=120)
        yield debian
    finally:
        debian.stop()
        debian.tidy()
        shutil.rmtree(folder, ignore_errors=True)

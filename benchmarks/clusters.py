"""Start a temporary PostgreSQL server, which a benchmark can restart and stop."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import LOOPBACK, BenchmarkFailed, free_port

OWNER = "postgres"
SETTINGS = "-c listen_addresses={host} -c port={port} -c unix_socket_directories='' -c max_connections=60"


class Cluster:
    """A temporary PostgreSQL server with its folder and URL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"postgres://{OWNER}@{LOOPBACK}:{self.port}/postgres"

    def run(self, program: str, *args: str) -> None:
        """Run one of PostgreSQL's programs, as another user if this one is root."""
        user = OWNER if os.geteuid() == 0 else None
        args = (program, "-D", str(self.folder / "data"), *args)
        # Not a pipe, because the server in the background inherits it, and reading from the pipe would never end.
        with (self.folder / "programs.log").open("ab") as log:
            done = subprocess.run(args, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user)
        if done.returncode:
            raise BenchmarkFailed(f"{program}: {(self.folder / 'programs.log').read_text()[-1000:]}")

    def control(self, verb: str, mode: str = "fast") -> None:
        """Start, restart or stop the server, and wait until that is done."""
        settings = SETTINGS.format(host=LOOPBACK, port=self.port)
        given = [] if verb == "stop" else ["-o", settings, "-l", str(self.folder / "server.log")]
        self.run("pg_ctl", verb, "-w", *(["-m", mode] if verb != "start" else []), *given)


def unavailable_reason() -> str:
    """Return why no server can be started on this machine, or an empty string."""
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        return "initdb and pg_ctl are not on the path"
    if os.geteuid() == 0 and OWNER not in {each.pw_name for each in pwd.getpwall()}:
        return f"PostgreSQL does not run as root, and there is no user {OWNER}"
    return ""


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Start a server, yield it, and stop and delete it at the end."""
    if reason := unavailable_reason():
        raise BenchmarkFailed(f"skipped: {reason}")
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, OWNER)
        server = Cluster(Path(folder))
        server.run("initdb", "-U", OWNER, "-A", "trust", "-E", "UTF8")
        server.control("start")
        try:
            yield server
        finally:
            server.control("stop", "immediate")

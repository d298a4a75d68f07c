"""A PostgreSQL server of a run's own, which it may restart as roughly as it likes."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import HOST, Failed, free_port

OWNER = "postgres"
SETTINGS = "-c listen_addresses={host} -c port={port} -c unix_socket_directories='' -c max_connections=60"


class Cluster:
    """A running server, its folder and its address."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"postgres://{OWNER}@{HOST}:{self.port}/postgres"

    def run(self, program: str, *words: str) -> None:
        """Run one of PostgreSQL's programs; they refuse to work for root."""
        user = OWNER if os.geteuid() == 0 else None
        words = (program, "-D", str(self.folder / "data"), *words)
        # What a server that is started in the background inherits must not be a pipe: it would never end.
        with (self.folder / "programs.log").open("ab") as log:
            done = subprocess.run(words, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user)
        if done.returncode:
            raise Failed(f"{program}: {(self.folder / 'programs.log').read_text()[-1000:]}")

    def control(self, verb: str, mode: str = "fast") -> None:
        """Start, restart or stop the server and return when that is done."""
        settings = SETTINGS.format(host=HOST, port=self.port)
        given = [] if verb == "stop" else ["-o", settings, "-l", str(self.folder / "server.log")]
        self.run("pg_ctl", verb, "-w", *(["-m", mode] if verb != "start" else []), *given)


def why_not() -> str:
    """Say why no server can be started here, or nothing."""
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        return "initdb and pg_ctl are not on the path"
    if os.geteuid() == 0 and OWNER not in {each.pw_name for each in pwd.getpwall()}:
        return f"PostgreSQL does not run as root, and there is no user {OWNER}"
    return ""


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Give a running server and take it away at the end."""
    if reason := why_not():
        raise Failed(f"skipped: {reason}")
    with tempfile.TemporaryDirectory() as folder:
        if os.geteuid() == 0:
            shutil.chown(folder, OWNER)
        made = Cluster(Path(folder))
        made.run("initdb", "-U", OWNER, "-A", "trust", "-E", "UTF8")
        made.control("start")
        try:
            yield made
        finally:
            made.control("stop", "immediate")

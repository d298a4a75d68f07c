"""The web server's head start: where the database is known to be up to date, it starts before Django does here.

Standard library only. Loading Django takes longer than all the rest of a second start, and the web server has to load
it too: so both do at the same time.
"""

import atexit
import hashlib
import os
import socket
import sys
from pathlib import Path

from integrations_portal.demo.processes import Processes

ROOT = Path(__file__).resolve().parents[2]
# Holds the fingerprint of the schema that the demo's database was last migrated to.
MARK = ROOT / "var" / "demo.schema"
WEB = "web server"
HOST = "127.0.0.1"

processes = Processes(ROOT)


def start(port: str) -> None:
    """This will start the web server, unless something speaks against it: then the command looks closer and says so."""
    if port.isdigit() and 1 <= int(port) <= 65533 and is_current() and is_free(int(port)):
        atexit.register(processes.stop)
        start_web(int(port))


def start_web(port: int) -> None:
    """This will start the web server."""
    words = ["-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port), "--workers", "1"]
    words += ["--blocking-threads", "4", "--http", "1", "--workers-kill-timeout", "2", "--no-ws"]
    words += ["--log-level", "warning", "--log-config", "integrations_portal/granian.json"]
    words += ["integrations_portal.wsgi:application"]
    processes.start(WEB, words, environment())


def environment() -> dict[str, str]:
    """This will return what the demo's processes run in."""
    return {"LOG_LEVEL": "WARNING", **os.environ, "PYTHONUNBUFFERED": "1"}


def fingerprint() -> str:
    """This will return a digest of every migration's name, ours and, by the lock, those of the libraries."""
    names = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("apps/*/migrations/*.py"))
    lock = (ROOT / "requirements" / "base.txt").read_bytes()
    return hashlib.sha256("\n".join((sys.version, *names)).encode() + lock).hexdigest()


def is_current() -> bool:
    """This will tell whether the database was migrated by this very code."""
    try:
        return MARK.read_text(encoding="ascii") == fingerprint()
    except OSError:
        return False


def note_schema() -> None:
    """This will remember that the database is up to date and filled."""
    MARK.write_text(fingerprint(), encoding="ascii")


def is_free(port: int) -> bool:
    """This will tell whether the port can be used."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True

"""Starts the web server early: where the database is known to be up to date, before this process loads Django.

Standard library only. Loading Django dominates the time of a second start, and the web server loads it too, so both
load it in parallel.
"""

import atexit
import errno
import hashlib
import os
import socket
import sys
from pathlib import Path

from integrations_portal.demo.processes import Processes
from integrations_portal.launcher import signals

ROOT = Path(__file__).resolve().parents[2]
# Contains the fingerprint of the schema that the demo's database was last migrated to.
SCHEMA_FILE = ROOT / "var" / "demo.schema"
WEB = "web server"
HOST = "127.0.0.1"

processes = Processes(ROOT)


def start(port: int) -> None:
    """Start the web server if the database is current and the ports are free; else the command handles the problem."""
    signals.raise_on_signals()
    if is_current() and not any(port_problem(each) for each in (port, port + 1)):
        atexit.register(processes.stop)
        start_web(port)


def start_web(port: int) -> None:
    """Start the web server."""
    arguments = ["-m", "granian", "--interface", "wsgi", "--host", HOST, "--port", str(port), "--workers", "1"]
    arguments += ["--blocking-threads", "4", "--http", "1", "--workers-kill-timeout", "1", "--no-ws"]
    arguments += ["--log-level", "warning", "--log-config", "integrations_portal/granian.json"]
    arguments += ["integrations_portal.wsgi:application"]
    processes.start(WEB, arguments, environment())


def environment() -> dict[str, str]:
    """Return the environment of the demo's processes."""
    return {"LOG_LEVEL": "WARNING", **os.environ, "PYTHONUNBUFFERED": "1"}


def fingerprint() -> str:
    """Return a digest of every migration's name, ours and, by the lock, those of the libraries."""
    names = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("apps/*/migrations/*.py"))
    lock = (ROOT / "requirements" / "base.txt").read_bytes()
    return hashlib.sha256("\n".join((sys.version, *names)).encode() + lock).hexdigest()


def is_current() -> bool:
    """Return whether the database was migrated by this version of the code."""
    try:
        return SCHEMA_FILE.read_text(encoding="ascii") == fingerprint()
    except OSError:
        return False


def record_schema() -> None:
    """Record that the database is up to date and has the sample data."""
    SCHEMA_FILE.write_text(fingerprint(), encoding="ascii")


def port_problem(port: int) -> str:
    """Return why a port cannot be used, or an empty string; ::1 is checked, too, because `localhost` can mean it."""
    for family, host in ((socket.AF_INET, HOST), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as problem:
            if family == socket.AF_INET or problem.errno == errno.EADDRINUSE:  # else: no IPv6 on this machine
                return problem.strerror or str(problem)
    return ""

"""A PgBouncer of a test's own before the tests' PostgreSQL."""

import contextlib
import os
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import connection

from tests.servers import HOST, free_port, start, wait_until

CONFIG = """[databases]
* = host={HOST} port={PORT} user={USER} {password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = {mode}
default_pool_size = {size}
ignore_startup_parameters = extra_float_digits
"""
KEEPS_PREPARED = (1, 21)


@contextlib.contextmanager
def pgbouncer(folder: Path, mode: str = "transaction", size: int = 5, prepares: bool = False) -> Iterator[str]:
    """Give the address of the tests' database through it; skip where it is not installed, or there is no PostgreSQL."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if connection.vendor != "postgresql" or program is None:
        pytest.skip("needs PostgreSQL (TEST_DATABASE_URL) and PgBouncer")
    keeps = _version(program) >= KEEPS_PREPARED
    if prepares and not keeps:
        pytest.skip("PgBouncer keeps prepared statements from 1.21 on")
    values, port = connection.settings_dict, free_port()
    password = f"password={values['PASSWORD']}" if values["PASSWORD"] else ""
    file = folder / "pgbouncer.ini"
    file.write_text(
        CONFIG.format(**{**values, "PORT": values["PORT"] or 5432}, password=password, port=port, mode=mode, size=size)
        + (f"max_prepared_statements = {200 * prepares}\n" if keeps else "")
    )
    file.chmod(stat.S_IRUSR | stat.S_IWUSR)
    # It does not run as root.
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    child = start([program, *user, str(file)], folder, "pgbouncer")
    try:
        wait_until(lambda: _answers(port), "PgBouncer did not start", child)
        yield f"postgres://{values['USER']}@{HOST}:{port}/{values['NAME']}"
    finally:
        child.kill()


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
        return True
    return False


def _version(program: str) -> tuple[int, ...]:
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in told.split()[1].split("."))

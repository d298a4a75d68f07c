"""The portal with its SQL statements counted: each answer says in a header how many this process ran so far.

Counted where SQLite itself reports them, so past Django, on every thread. For one worker process only.
"""

import os
from itertools import count

from django.db.backends.signals import connection_created

from apps.base.rest import api_fast_path

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.portal.settings")
portal = api_fast_path.application()
_numbers = count(1)
_ran = [0]


def _note(statement: str) -> None:
    _ran[0] = next(_numbers)


def _watch(connection, **_values) -> None:
    if connection.vendor == "sqlite":
        connection.connection.set_trace_callback(_note)


connection_created.connect(_watch, weak=False)


def application(environ, start_response):
    """Answer as the portal does, and add the header."""

    def start(status, headers, *rest):
        return start_response(status, [*headers, ("X-Statements", str(_ran[0]))], *rest)

    return portal(environ, start)

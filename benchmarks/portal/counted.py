"""The portal with a header in each response that has the number of SQL statements of this process so far.

SQLite itself reports the statements, so they are counted in all threads. This works with one worker process only.
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
    """Respond as the portal does, and add the header."""

    def start(status, headers, *rest):
        return start_response(status, [*headers, ("X-Statements", str(_ran[0]))], *rest)

    return portal(environ, start)

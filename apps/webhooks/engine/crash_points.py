"""Named points at which fault-injection tests kill the process, as if the machine lost power.

The environment variable ``PORTAL_CRASH_AT`` names one point and works only with ``PORTAL_FAULTS=1``. With it,
``PORTAL_LEASE_MARGIN`` shortens the lease, so that tests run faster. The code at each point is ``if CRASH_AT == "…"``.
"""

import os
import signal

_ALLOWED = os.environ.get("PORTAL_FAULTS") == "1"
CRASH_AT = os.environ.get("PORTAL_CRASH_AT", "") if _ALLOWED else ""
# The time that a lease lasts beyond the timeout of one request.
LEASE_MARGIN_SECONDS = float(os.environ.get("PORTAL_LEASE_MARGIN", "15")) if _ALLOWED else 15.0


def crash() -> None:
    """Kill the process without any cleanup."""
    os.kill(os.getpid(), signal.SIGKILL)

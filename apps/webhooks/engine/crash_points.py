"""Named points at which fault-injection tests kill the process, as if the machine lost power.

``PORTAL_CRASH_AT`` names one point and works only with ``PORTAL_FAULTS=1``. ``PORTAL_LEASE_MARGIN`` then also shortens
the lease, so that tests need not wait for it.
"""

import os
import signal

LEASE_MARGIN_SECONDS = 15.0

_ALLOWED = os.environ.get("PORTAL_FAULTS") == "1"
_ARMED = os.environ.get("PORTAL_CRASH_AT", "") if _ALLOWED else ""


def reach(point: str) -> None:
    """Kill the process without any cleanup if the test armed this point."""
    if is_armed(point):
        os.kill(os.getpid(), signal.SIGKILL)


def is_armed(point: str) -> bool:
    return point == _ARMED


def lease_margin() -> float:
    """Return how many seconds a lease lasts beyond the timeout of one request."""
    return float(os.environ.get("PORTAL_LEASE_MARGIN", LEASE_MARGIN_SECONDS)) if _ALLOWED else LEASE_MARGIN_SECONDS

"""The operator's switch: while a file is there, web answers 503 and touches neither database nor Redis.

A file needs no restart, no table that is just being changed, and no process that runs. Workers do not look at it: what
was accepted goes on being delivered.
"""

import os

from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext_noop

from apps.base.errors import PortalError
from apps.base.requests import PortalRequest
from apps.base.rest.error_responses import json_error_response

# What a caller should wait where the file says nothing else, in seconds.
USUAL_WAIT, LONGEST_WAIT = 60, 86_400
MOST_BYTES = 16
SENTENCE = gettext_noop("The service is unavailable for a moment. Try again.")


def is_maintenance_on() -> bool:
    """Tell whether the file of MAINTENANCE_FLAG is there."""
    return bool(settings.MAINTENANCE_FLAG) and os.path.exists(settings.MAINTENANCE_FLAG)


def unavailable_error() -> PortalError:
    """Return what everybody is answered meanwhile; the file may hold the seconds to wait."""
    return PortalError(SENTENCE, "unavailable", headers={"Retry-After": str(_wait())})


def unavailable_api_response(request: PortalRequest) -> HttpResponse:
    """Answer a call of the API."""
    return json_error_response(unavailable_error(), request.request_id)


def _wait() -> int:
    if not os.path.isfile(settings.MAINTENANCE_FLAG):  # opening a named pipe would wait for its other end
        return USUAL_WAIT
    try:
        with open(settings.MAINTENANCE_FLAG, "rb") as file:
            text = file.read(MOST_BYTES).strip()
    except OSError:
        return USUAL_WAIT
    return max(1, min(LONGEST_WAIT, int(text))) if text.isdigit() else USUAL_WAIT

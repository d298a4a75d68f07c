"""Maintenance mode: while a flag file exists, web processes return 503 and use neither database nor Redis.

A file needs no restart, no table that is being migrated, and no running process. Workers ignore it and continue to
deliver.
"""

import os

from django.conf import settings
from django.http import HttpResponse
from django.utils.translation import gettext_noop

from apps.base.errors import PortalError
from apps.base.requests import PortalRequest
from apps.base.rest.error_responses import json_error_response

# Retry-After in seconds, unless the file contains another value.
DEFAULT_WAIT, MAX_WAIT = 60, 86_400
MAX_BYTES = 16
SENTENCE = gettext_noop("The service is unavailable for a moment. Try again.")


def is_maintenance_on() -> bool:
    """Return whether the file of MAINTENANCE_FLAG exists."""
    return bool(settings.MAINTENANCE_FLAG) and os.path.exists(settings.MAINTENANCE_FLAG)


def unavailable_error() -> PortalError:
    """Return the error for every request; the file can contain the seconds for Retry-After."""
    return PortalError(SENTENCE, "unavailable", headers={"Retry-After": str(_wait())})


def unavailable_api_response(request: PortalRequest) -> HttpResponse:
    return json_error_response(unavailable_error(), request.request_id)


def _wait() -> int:
    if not os.path.isfile(settings.MAINTENANCE_FLAG):  # opening a named pipe would wait for its other end
        return DEFAULT_WAIT
    try:
        with open(settings.MAINTENANCE_FLAG, "rb") as file:
            text = file.read(MAX_BYTES).strip()
    except OSError:
        return DEFAULT_WAIT
    return max(1, min(MAX_WAIT, int(text))) if text.isdigit() else DEFAULT_WAIT

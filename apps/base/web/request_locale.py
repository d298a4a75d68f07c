"""In which language and time zone somebody reads pages."""

from datetime import tzinfo

from django.db import DatabaseError
from django.utils import translation

from apps.base.requests import PortalRequest
from apps.base.timestamps import time_zone_of


def reader_preferences(request: PortalRequest) -> tuple[str, tzinfo]:
    """Return the reader's language and zone; the browser's language also where the account cannot be read."""
    try:
        user = request.user
        language, zone = getattr(user, "language", ""), getattr(user, "time_zone", "")
    except DatabaseError:
        # The view, or its page for errors, says so.
        language = zone = ""
    return language or translation.get_language_from_request(request), time_zone_of(zone)

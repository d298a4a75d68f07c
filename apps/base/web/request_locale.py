"""The language and time zone of a request's pages."""

from datetime import tzinfo

from django.db import DatabaseError
from django.utils import translation

from apps.base.requests import PortalRequest
from apps.base.timestamps import time_zone_of


def reader_preferences(request: PortalRequest) -> tuple[str, tzinfo]:
    """Return the user's language and time zone; the browser's language where none is set or the database is down."""
    try:
        user = request.user
        language, zone = getattr(user, "language", ""), getattr(user, "time_zone", "")
    except DatabaseError:
        # The view or its error page reports it.
        language = zone = ""
    return language or translation.get_language_from_request(request), time_zone_of(zone)

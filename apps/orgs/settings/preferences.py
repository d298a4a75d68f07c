"""What a person sets for themselves alone; it concerns no organization, so no audit log speaks of it."""

import zoneinfo

from django.conf import settings
from django.utils.translation import gettext as _

from apps.base.errors import Invalid
from apps.orgs.models import User


def set_preferences(*, user: User, language: str | None = None, time_zone: str | None = None) -> None:
    """Save the language and time zone of the person's pages and mails; None leaves one as it is.

    Empty stands for the browser's language, and for UTC. Raises Invalid for one that does not exist.
    """
    values = {}
    if language is not None:
        if language and language not in dict(settings.LANGUAGES):
            raise Invalid.field("language", _("Choose one of the languages."))
        values["language"] = language
    if time_zone is not None:
        if time_zone and time_zone not in zoneinfo.available_timezones():
            raise Invalid.field("time_zone", _("Choose one of the time zones."))
        values["time_zone"] = time_zone
    if values:
        User.rows.filter(pk=user.pk).update(**values)

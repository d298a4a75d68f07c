"""Language and time zone of a user; they concern no organization, so they are not in an audit log."""

import zoneinfo

from django.conf import settings
from django.utils.translation import gettext as _

from apps.base.errors import Invalid
from apps.orgs.models import User


def set_preferences(*, user: User, language: str | None = None, time_zone: str | None = None) -> None:
    """Save the language and time zone of the user's pages and mails; None leaves a value unchanged.

    Empty means the browser's language, or UTC. Raises Invalid for an unknown value.
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

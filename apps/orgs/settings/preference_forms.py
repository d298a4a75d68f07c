"""The form of language and time zone."""

import zoneinfo
from typing import Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class PreferencesForm(forms.Form):
    """Language and time zone of a user's pages and mails."""

    language = forms.ChoiceField(
        label=_("Language"),
        required=False,
        help_text=_("Pages and mails speak it."),
    )
    time_zone = forms.ChoiceField(
        label=_("Time zone"),
        required=False,
        help_text=_("Times are shown in it. The exact time in UTC shows on hover."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        languages, zones = self.fields["language"], self.fields["time_zone"]
        languages.choices = [("", _("As the browser says")), *settings.LANGUAGES]  # type: ignore[attr-defined]  # a ChoiceField has them
        names = sorted(name for name in zoneinfo.available_timezones() if "/" in name and not name.startswith("Etc/"))
        zones.choices = [("", "UTC"), *((name, name.replace("_", " ")) for name in names)]  # type: ignore[attr-defined]  # a ChoiceField has them

"""The inventory page: what each finding is called and means, and its rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.api_keys.reports.inventory import Finding, Looked
from apps.api_keys.view_models.facts import facts

WORDS: dict[Finding, Promise] = {
    Finding.NEVER_EXPIRES: gettext_lazy("No expiry"),
    Finding.UNUSED_SCOPES: gettext_lazy("Unused rights"),
    Finding.ANY_NETWORK: gettext_lazy("Any network"),
    Finding.TOO_OLD: gettext_lazy("Older than 90 days"),
    Finding.NEVER_USED: gettext_lazy("Never used"),
}


def finding_tabs(path: str, looked: Sequence[Looked], asked: str) -> list[dict[str, Any]]:
    """Return a tab for all live keys and one for each finding, with its count."""
    every = {"url": path, "label": _("All live keys"), "count": len(looked), "current": not asked}
    return [
        every,
        *(
            {
                "url": f"{path}?finding={finding}",
                "label": str(word),
                "count": sum(finding in each.findings for each in looked),
                "current": asked == finding,
            }
            for finding, word in WORDS.items()
        ),
    ]


def inventory_row(looked: Looked, now: datetime) -> dict[str, Any]:
    """Return what the page says of a key."""
    key = looked.key
    return {
        **facts(key, looked.use, now),
        "age_days": (now - key.created_at).days,
        "findings": [str(word) for finding, word in WORDS.items() if finding in looked.findings],
        "unused_scopes": looked.unused,
        "has": {str(finding): True for finding in looked.findings},
    }

"""Tabs and rows of the inventory page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.api_keys.reports.inventory import Finding, InspectedKey
from apps.api_keys.view_models.facts import facts

LABELS: dict[Finding, Promise] = {
    Finding.NEVER_EXPIRES: gettext_lazy("No expiry"),
    Finding.UNUSED_SCOPES: gettext_lazy("Unused rights"),
    Finding.ANY_NETWORK: gettext_lazy("Any network"),
    Finding.TOO_OLD: gettext_lazy("Older than 90 days"),
    Finding.NEVER_USED: gettext_lazy("Never used"),
}


def finding_tabs(path: str, inspected: Sequence[InspectedKey], asked: str) -> list[dict[str, Any]]:
    """Return a tab for all active keys and one for each finding, with counts."""
    every = {"url": path, "label": _("All live keys"), "count": len(inspected), "current": not asked}
    return [
        every,
        *(
            {
                "url": f"{path}?finding={finding}",
                "label": str(word),
                "count": sum(finding in each.findings for each in inspected),
                "current": asked == finding,
            }
            for finding, word in LABELS.items()
        ),
    ]


def inventory_row(inspected: InspectedKey, now: datetime) -> dict[str, Any]:
    """Return the context of a key's row."""
    key = inspected.key
    return {
        **facts(key, inspected.use, now),
        "age_days": (now - key.created_at).days,
        "findings": [str(word) for finding, word in LABELS.items() if finding in inspected.findings],
        "unused_scopes": inspected.unused,
        "has": {str(finding): True for finding in inspected.findings},
    }

"""Reports which keys still depend on an older pepper."""

from collections import Counter
from typing import Any

from django.conf import settings
from django.db.models import Count

from apps.base.commands import PortalCommand
from apps.base.crypto.secrets import current_pepper
from apps.credentials.key_kinds import KEY_KINDS


class Command(PortalCommand):
    help = (
        "Reports how many live keys are still digested under an older pepper. A key is digested anew at its next use, "
        "for nothing but its text can do that. Put the new pepper first in KEY_PEPPERS, keep the old one behind it, "
        "and take it away when nothing is left here: keys that are left then stop working."
    )

    def run_command(self, **options: Any) -> dict[str, Any]:
        """Count active keys by pepper."""
        counts = self._live_by_pepper()
        current = current_pepper()
        older = [pepper for pepper in settings.KEY_PEPPERS if pepper != current]
        unknown = sum(count for pepper, count in counts.items() if pepper not in settings.KEY_PEPPERS)
        left = {pepper: counts[pepper] for pepper in older}
        return {
            "current": current,
            "digested_under_current": counts[current],
            "left": left if options["json"] else [f"{pepper}={count}" for pepper, count in left.items()] or None,
            "without_a_configured_pepper": unknown,
            "may_be_removed": [pepper for pepper in older if not counts[pepper]],
        }

    def _live_by_pepper(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for kind in KEY_KINDS.values():
            live = kind.keys().live().order_by()
            found.update(dict(live.values("pepper_id").annotate(keys=Count("pk")).values_list("pepper_id", "keys")))
        return found

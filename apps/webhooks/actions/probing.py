"""Trying a URL before it is saved."""

from collections.abc import Callable

from apps.base import heavy_work
from apps.base.actor import Actor
from apps.base.permissions import Permission
from apps.webhooks.actions.checks import checked_url
from apps.webhooks.outcomes import Outcome
from apps.webhooks.probing import probe


def probe_url(*, actor: Actor, url: str, count: Callable[[], None]) -> Outcome:
    """Send one unsigned request to a URL and return what came of it; nothing is stored.

    Raises Invalid on ``url`` for what could not be saved either. ``count`` keeps the limit: only what is sent counts.
    """
    actor.require(Permission.WEBHOOKS_WRITE)
    checked = checked_url(url)
    with heavy_work.reserve_slot(actor.organization_id):
        count()
        return probe(checked, actor.organization_id)

"""What happens to a key that somebody found in public."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.api_keys.actions import states
from apps.api_keys.actions.audit_and_publish import announce, hold
from apps.api_keys.models import ApiKey
from apps.api_keys.notifications import posting
from apps.base.actor import Actor
from apps.base.extension_points.descendants import descendants
from apps.credentials.key_status import CHANGES
from apps.credentials.lifecycle import transitions
from apps.notices.models import Severity

NOTHING = "none"
REASON, REASON_OF_SUCCESSOR = "Reported as leaked", "Created by a key that was reported as leaked"


@transaction.atomic
def report_leak(*, actor: Actor, key_id: str, where: str = "") -> bool:
    """Do with a leaked key what its organization wants, and tell whether the report was news.

    So it does with what the key made by rotating itself, also where the key has ended: whoever had its text has
    theirs. Once per key and day: reporting it again changes and records nothing. ``actor`` is the portal with the
    reporter's address, ``where`` a text without secrets.
    """
    key = hold(actor, key_id)
    successors = transitions.own_successors(key)
    known = {each.public_id for each in successors}
    others = [each for each in descendants(key.organization_id, key.public_id) if each.id not in known]
    is_news = _take(actor, key, where, others=len(others))
    for successor in successors:
        is_news = _take(actor, hold(actor, successor.public_id), where, origin=key) or is_news
    if others:
        posting.notify_about_others(key, len(others))
    return is_news


def _take(actor: Actor, key: ApiKey, where: str, origin: ApiKey | None = None, others: int = 0) -> bool:
    """Act on one key, and tell whether that was news; of one that has ended nobody is told, unless others live on.

    ``origin``: the key that was reported, where it is not this one. ``others``: how many things the key created that
    still work: who ends those is for people to decide.
    """
    # The row is held: two reports of one key come one after the other.
    story = f"{posting.LEAK}:{timezone.now():%Y-%m-%d}"
    if posting.already_sent(key, story):
        return False
    consequence = NOTHING if key.has_ended else str(key.organization.leak_policy)
    changes: dict[str, list[Any]] = {"where": [None, where], "consequence": [None, consequence]}
    more: dict[str, Any] = {"where": where} if where else {}
    if origin is not None:
        changes["reported"], more["reported"] = [None, origin.public_id], origin.public_id
    if others:
        changes["descendants"], more["descendants"] = [None, others], others
    transitions.record(actor, key, "api_key.leaked", changes)
    if consequence != NOTHING or others:
        announce(key, "api_key.leaked", consequence=consequence, **more)
    _act(actor, key, consequence, REASON if origin is None else REASON_OF_SUCCESSOR)
    _tell(key, story, consequence, where, origin)
    return True


def _act(actor: Actor, key: ApiKey, consequence: str, reason: str) -> None:
    if consequence in CHANGES:
        states.change_key(consequence, actor=actor, key_id=key.public_id, reason=reason, successors=False)


def _tell(key: ApiKey, story: str, consequence: str, where: str, origin: ApiKey | None) -> None:
    """Post the notice, which also remembers the report; of a dead key it is taken off the pages at once."""
    what = f"leaked_{CHANGES[consequence].done}" if consequence in CHANGES else "leaked"
    kind = f"api_key.{what}" if origin is None else f"api_key.successor_{what}"
    is_silent = consequence == NOTHING
    params = {"where": where or None, **({"origin": origin.mask} if origin else {})}
    posting.post(key, kind, story, severity=Severity.BAD, params=params, mail=not is_silent)
    if is_silent:
        posting.resolve_for(key, posting.LEAK)

"""What happens to a key that somebody found in public."""

from django.db import transaction
from django.utils import timezone

from apps.api_keys.actions import states
from apps.api_keys.actions.telling import announce, hold, record
from apps.api_keys.alerts import stories
from apps.api_keys.models import ApiKey
from apps.base.actor import Actor
from apps.notices.models import Severity

QUARANTINE, REVOKE = "quarantine", "revoke"
REASON = "Reported as leaked"
NOTICES = {QUARANTINE: "api_key.leaked_quarantined", REVOKE: "api_key.leaked_revoked"}
NOTHING = "none"


@transaction.atomic
def report_leak(*, actor: Actor, key_id: str, where: str = "") -> bool:
    """This will do with a leaked key what its organization wants, and tell whether the report was news.

    Once per key and day: reporting it again changes and records nothing. ``actor`` is the portal with the reporter's
    address, ``where`` a text without secrets. The leak of a key that has ended is recorded and nobody is told.
    """
    key = hold(actor, key_id)
    # The row is held: two reports of one key come one after the other.
    story = f"{stories.LEAK}:{timezone.now():%Y-%m-%d}"
    if stories.was_told(key, story):
        return False
    consequence = NOTHING if key.has_ended else str(key.organization.leak_policy)
    record(actor, key, "api_key.leaked", {"where": [None, where], "consequence": [None, consequence]})
    if consequence != NOTHING:
        more = {"where": where} if where else {}
        announce(key, "api_key.leaked", consequence=consequence, **more)
    _act(actor, key, consequence)
    _tell(key, story, consequence, where)
    return True


def _act(actor: Actor, key: ApiKey, consequence: str) -> None:
    if consequence == QUARANTINE:
        states.quarantine_key(actor=actor, key_id=key.public_id, reason=REASON)
    elif consequence == REVOKE:
        states.revoke_key(actor=actor, key_id=key.public_id, reason=REASON)


def _tell(key: ApiKey, story: str, consequence: str, where: str) -> None:
    """Post the notice, which also remembers the report; of a dead key it is taken off the pages at once."""
    kind = NOTICES.get(consequence, "api_key.leaked")
    is_silent = consequence == NOTHING
    stories.post(key, kind, story, severity=Severity.BAD, params={"where": where or None}, mail=not is_silent)
    if is_silent:
        stories.resolve_for(key, stories.LEAK)

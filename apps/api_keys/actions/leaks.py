"""Handle the report of a leaked key."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from apps.api_keys.actions import states
from apps.api_keys.actions.audit_and_publish import lock_key, publish_event
from apps.api_keys.models import ApiKey
from apps.api_keys.notifications import posting
from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.extension_points.descendants import descendants
from apps.credentials.key_status import CHANGES
from apps.credentials.lifecycle import transitions
from apps.notices.models import Severity

NO_CONSEQUENCE = "none"
REASON, REASON_OF_SUCCESSOR = "Reported as leaked", "Created by a key that was reported as leaked"


@transaction.atomic
def report_leak(*, actor: Actor, key_id: str, where: str = "") -> bool:
    """Apply the organization's leak policy to a key, and return whether the report was new.

    The policy is also applied to the key's self-rotated successors, even if the key itself is revoked or expired,
    because the holder of the old key can have them. A second report of a key on the same day changes nothing.
    ``actor`` is the system with the reporter's IP address; ``where`` must not contain secrets.
    """
    key = lock_key(actor, key_id)
    successors = transitions.self_issued_successors(key)
    known = {each.public_id for each in successors}
    others = [each for each in descendants(key.organization_id, key.public_id) if each.id not in known]
    is_new = _process_report(actor, key, where, others=len(others))
    for successor in successors:
        is_new = _process_report(actor, lock_key(actor, successor.public_id), where, origin=key) or is_new
    if others:
        posting.notify_about_others(key, len(others))
    return is_new


def _process_report(actor: Actor, key: ApiKey, where: str, origin: ApiKey | None = None, others: int = 0) -> bool:
    """Record the report, apply the policy to one key, and return whether the report was new.

    An expired or revoked key publishes no event, unless others still work. ``origin``: the reported key, if it is
    not this one. ``others``: the number of still active objects that the key created; members decide about those.
    """
    # The row is locked, so concurrent reports of one key run one after the other.
    topic = f"{posting.LEAK}:{timezone.now():%Y-%m-%d}"
    if posting.already_sent(key, topic):
        return False
    consequence = NO_CONSEQUENCE if key.is_revoked_or_expired else str(key.organization.leak_policy)
    changes: dict[str, list[Any]] = {"where": [None, where], "consequence": [None, consequence]}
    more: dict[str, Any] = {"where": where} if where else {}
    if origin is not None:
        changes["reported"], more["reported"] = [None, origin.public_id], origin.public_id
    if others:
        changes["descendants"], more["descendants"] = [None, others], others
    audit.record_change(actor, "api_key.leaked", key, changes)
    if consequence != NO_CONSEQUENCE or others:
        publish_event(key, "api_key.leaked", consequence=consequence, **more)
    _apply_policy(actor, key, consequence, REASON if origin is None else REASON_OF_SUCCESSOR)
    _notify(key, topic, consequence, where, origin)
    return True


def _apply_policy(actor: Actor, key: ApiKey, consequence: str, reason: str) -> None:
    if consequence in CHANGES:
        states.change_key(consequence, actor=actor, key_id=key.public_id, reason=reason, successors=False)


def _notify(key: ApiKey, topic: str, consequence: str, where: str, origin: ApiKey | None) -> None:
    """Post the notification, which also records the report; resolve it at once if nothing was done to the key."""
    what = f"leaked_{CHANGES[consequence].audit_verb}" if consequence in CHANGES else "leaked"
    kind = f"api_key.{what}" if origin is None else f"api_key.successor_{what}"
    is_silent = consequence == NO_CONSEQUENCE
    params = {"where": where or None, **({"origin": origin.mask} if origin else {})}
    posting.post(key, kind, topic, severity=Severity.BAD, params=params, mail=not is_silent)
    if is_silent:
        posting.resolve_for(key, posting.LEAK)

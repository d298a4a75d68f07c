"""Recording a change: one entry, in the transaction of the change. And signing a checkpoint when somebody asks."""

import json
import uuid
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.utils.translation import gettext as _

from apps.audit import checkpoints, sealing
from apps.audit.models import AuditEntry, Checkpoint, Outcome
from apps.audit.texts import clean
from apps.audit.vocabulary import require_known
from apps.base.actor import Actor
from apps.base.errors import Conflict
from apps.base.permissions import Permission

# The last word of a field name that must not be recorded: `secret`, `api_key`, `new_password`, but not `key_type`.
SECRET_WORDS = frozenset({"secret", "secrets", "key", "digest", "password", "token", "pepper", "authorization"})
LONGEST_VALUE = 2000
MADE = "audit.checkpoint_made"


def record(
    *,
    actor: Actor,
    action: str,
    target_kind: str,
    target_id: str,
    target_label: str = "",
    changes: dict[str, list[Any]] | None = None,
    outcome: str = Outcome.SUCCESS,
    organization_id: uuid.UUID | None = None,
) -> AuditEntry:
    """This will write one entry beside the change that the open transaction makes.

    ``changes`` maps a field to ``[old, new]``. The organization is the actor's unless named. Raises ValueError for an
    unknown action or outcome, a field that would hold a secret, or no organization; RuntimeError outside a transaction.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"{action} must be recorded in the transaction of its change")
    require_known(action)
    owner = organization_id or actor.organization_id
    if owner is None:
        raise ValueError(f"{action}: name the organization, for the actor has none")
    return AuditEntry.objects.create(
        organization_id=owner,
        actor_kind=actor.kind,
        actor_id=clean(actor.id, 40),
        actor_label=clean(actor.label, 200),
        action=action,
        target_kind=clean(target_kind, 30),
        target_id=clean(target_id, 40),
        target_label=clean(target_label, 200),
        changes=_recordable(changes or {}),
        outcome=Outcome(outcome),
        address=clean(actor.address, 45),
        user_agent=clean(actor.user_agent, 300),
        request_id=clean(actor.request_id, 64),
    )


@transaction.atomic
def make_checkpoint(*, actor: Actor) -> Checkpoint:
    """This will sign the end of the actor's audit log as it is now, and record it; whoever may export may.

    Where nothing happened since the newest checkpoint but its making, it is returned again. Raises Conflict where
    nothing is sealed yet.
    """
    actor.require(Permission.AUDIT_EXPORT)
    owner = actor.organization_id
    if owner is None:
        raise ValueError("name the organization: the actor has none")
    sealing.seal_due()
    last = checkpoints.newest(owner)
    if last is not None and not checkpoints.is_behind(last, but=MADE):
        return last
    made = checkpoints.make(owner)
    if made is None:
        raise Conflict(_("There is nothing to sign yet: nothing has happened in this organization."))
    record(actor=actor, action=MADE, target_kind="checkpoint", target_id=str(made.seq))
    return made


def _recordable(changes: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """This will return the changes as JSON values without anything that looks like a secret."""
    for field, pair in changes.items():
        if _is_secret(field):
            raise ValueError(f"{field!r} must not be recorded")
        if not isinstance(pair, (list, tuple)) or len(pair) != 2:
            raise ValueError(f"{field!r} must be [old, new]")
    return _without_secrets(json.loads(json.dumps(changes, cls=DjangoJSONEncoder)))


def _is_secret(field: str) -> bool:
    return field.lower().replace("-", "_").rpartition("_")[2] in SECRET_WORDS


def _without_secrets(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, LONGEST_VALUE)
    if isinstance(value, list):
        return [_without_secrets(item) for item in value]
    if isinstance(value, dict):
        return {
            clean(name, 200): "[redacted]" if _is_secret(name) else _without_secrets(item)
            for name, item in value.items()
        }
    return value

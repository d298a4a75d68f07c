"""All audit actions with their sentences; an action that is not listed here cannot be recorded.

Sentences take ``%(actor)s`` and ``%(target)s``, and for a field that changed ``%(field_from)s`` and ``%(field_to)s``.
"""

import re
from collections.abc import Mapping
from typing import Any, Protocol

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

NAME = re.compile(r"[a-z_]+\.[a-z_]+", re.ASCII)
NOTHING = "–"

SENTENCES: dict[str, Promise] = {}


class Describable(Protocol):
    """The attributes that a sentence needs: an AuditEntry, or anything with the same ones."""

    action: str
    actor_label: str
    target_id: str
    target_label: str
    changes: dict[str, list[Any]]


class _Params(dict[str, str]):
    """Returns a dash for a missing value, so that an old entry never breaks a page."""

    def __missing__(self, name: str) -> str:
        return NOTHING


def action(name: str, sentence: Promise) -> str:
    """Add a name with its sentence and return it; a second use or a malformed name raises ValueError."""
    if not NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not of the form thing.happened")
    if name in SENTENCES:
        raise ValueError(f"the action {name!r} has a sentence already")
    SENTENCES[name] = sentence
    return name


def require_known(name: str) -> None:
    """Raise ValueError unless the name has a sentence."""
    if name not in SENTENCES:
        raise ValueError(f"no sentence for the action {name!r}: add it to apps/audit/vocabulary.py")


def render_sentence(name: str, params: Mapping[str, str]) -> str:
    """Return the action's sentence in the active language; without one the bare name."""
    sentence = SENTENCES.get(name)
    return name if sentence is None else str(sentence) % _Params(params)


def sentence_for(entry: Describable) -> str:
    """Return what an entry says, in the active language."""
    params = {"actor": entry.actor_label, "target": entry.target_label or entry.target_id}
    for field, (old, new) in entry.changes.items():
        params[f"{field}_from"], params[f"{field}_to"] = _text(old), _text(new)
    return render_sentence(entry.action, params)


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value) or NOTHING
    return NOTHING if value in (None, "") else str(value)


# People and their sign-in
action("user.created", _("%(actor)s created the account %(target)s"))
action("user.updated", _("%(actor)s changed the account %(target)s"))
action("user.deleted", _("%(actor)s deleted the account %(target)s"))
action("user.password_changed", _("%(actor)s changed the password of %(target)s"))
action("user.email_changed", _("%(actor)s changed the e-mail address of %(target)s"))
action("user.email_confirmed", _("%(actor)s confirmed the e-mail address of %(target)s"))
action("user.two_step_enabled", _("%(actor)s turned on two-step sign-in for %(target)s"))
action("user.two_step_disabled", _("%(actor)s turned off two-step sign-in for %(target)s"))
action("user.email_change_asked", _("%(actor)s asked to change the address %(email_from)s to %(email_to)s"))
action("user.recovery_codes_made", _("%(actor)s made new recovery codes for %(target)s"))
action("user.two_step_reset", _("%(actor)s took the second step of sign-in from %(target)s"))
action("user.identity_linked", _("%(actor)s signed in by single sign-on for the first time"))
action("user.passkey_renamed", _("%(actor)s renamed a passkey of %(target)s"))
action("user.passkey_added", _("%(actor)s added a passkey to %(target)s"))
action("user.passkey_removed", _("%(actor)s removed a passkey from %(target)s"))
action("session.signed_in", _("%(actor)s signed in"))
action("session.sign_in_failed", _("A sign-in to %(target)s failed"))
action("session.signed_out", _("%(actor)s signed out"))
action("session.ended", _("%(actor)s ended a session of %(target)s"))
action("operator.created", _("%(actor)s made %(target)s an operator"))
action("operator.removed", _("%(actor)s ended %(target)s being an operator"))
action("operator.look_began", _("The operator %(actor)s began to look at %(target)s. Reason: %(reason_to)s"))
action("operator.look_ended", _("The operator %(actor)s no longer looks at %(target)s. Pages seen: %(pages_to)s"))

action("encryption.renewed", _("%(actor)s encrypted stored secrets anew under the key %(target)s"))

# Organizations and members
action("organization.created", _("%(actor)s created the organization %(target)s"))
action("organization.updated", _("%(actor)s changed the settings of %(target)s"))
action("organization.suspended", _("%(actor)s suspended the organization %(target)s"))
action("organization.resumed", _("%(actor)s resumed the organization %(target)s"))
action("organization.closed", _("%(actor)s closed the organization %(target)s"))
action("organization.reopened", _("%(actor)s opened the organization %(target)s again"))
action("organization.exported", _("%(actor)s took a copy of the data of %(target)s"))
action("organization.purged", _("The data of the closed organization %(target)s were removed"))
action("member.mail_chosen", _("%(actor)s chose which mail to get"))
action("member.role_changed", _("%(actor)s changed the role of %(target)s from %(role_from)s to %(role_to)s"))
action("member.removed", _("%(actor)s removed the member %(target)s"))
action("member.left", _("%(actor)s left the organization"))
action("invitation.created", _("%(actor)s invited %(target)s"))
action("invitation.resent", _("%(actor)s sent the invitation of %(target)s again"))
action("invitation.revoked", _("%(actor)s withdrew the invitation of %(target)s"))
action("invitation.accepted", _("%(actor)s accepted the invitation of %(target)s"))

# API keys
action("api_key.created", _("%(actor)s created the API key %(target)s"))
action("api_key.updated", _("%(actor)s changed the API key %(target)s"))
action("api_key.rotated", _("%(actor)s rotated the API key %(target)s"))
action("api_key.revoked", _("%(actor)s revoked the API key %(target)s"))
action("api_key.disabled", _("%(actor)s disabled the API key %(target)s"))
action("api_key.enabled", _("%(actor)s enabled the API key %(target)s"))
action("api_key.leaked", _("The API key %(target)s was reported as leaked"))
action("api_key.quarantined", _("%(actor)s put the API key %(target)s in quarantine"))
action("api_key.released", _("%(actor)s released the API key %(target)s from quarantine"))

# SDK keys and the devices that use them
action("sdk_key.created", _("%(actor)s created the SDK key %(target)s"))
action("sdk_key.updated", _("%(actor)s changed the SDK key %(target)s"))
action("sdk_key.rotated", _("%(actor)s rotated the SDK key %(target)s"))
action("sdk_key.revoked", _("%(actor)s revoked the SDK key %(target)s"))
action("sdk_key.disabled", _("%(actor)s disabled the SDK key %(target)s"))
action("sdk_key.enabled", _("%(actor)s enabled the SDK key %(target)s"))
action("sdk_key.leaked", _("The SDK key %(target)s was reported as leaked"))
action("sdk_key.quarantined", _("%(actor)s put the SDK key %(target)s in quarantine"))
action("sdk_key.activated", _("A device was activated with the SDK key %(target)s"))
action("sdk_key.deactivated", _("A device lost its activation of the SDK key %(target)s"))
action("sdk_key.released", _("%(actor)s released the SDK key %(target)s from quarantine"))

# Webhooks
action("endpoint.created", _("%(actor)s added the webhook endpoint %(target)s"))
action("endpoint.updated", _("%(actor)s changed the webhook endpoint %(target)s"))
action("endpoint.deleted", _("%(actor)s deleted the webhook endpoint %(target)s"))
action("endpoint.paused", _("%(actor)s paused the webhook endpoint %(target)s"))
action("endpoint.enabled", _("%(actor)s enabled the webhook endpoint %(target)s"))
action("endpoint.disabled", _("%(actor)s disabled the webhook endpoint %(target)s"))
action("endpoint.secret_rotated", _("%(actor)s rotated the signing secret of %(target)s"))
action("endpoint.secret_ended", _("%(actor)s ended an old signing secret of %(target)s"))
action("endpoint.tested", _("%(actor)s sent a test event to %(target)s"))
action("endpoint.failing", _("The webhook endpoint %(target)s started to fail"))
action("endpoint.recovered", _("The webhook endpoint %(target)s recovered"))
action("delivery.retried", _("%(actor)s sent the delivery %(target)s again"))
action("endpoint.deliveries_retried", _("%(actor)s sent chosen deliveries to %(target)s again"))
action("delivery.attempted", _("%(event)s was sent to %(target)s"))
action("replay.started", _("%(actor)s started a replay to %(target)s"))
action("replay.cancelled", _("%(actor)s stopped the replay to %(target)s"))

# The operator's catalogue
action("key_type.created", _("%(actor)s added the key type %(target)s"))
action("key_type.updated", _("%(actor)s changed the key type %(target)s"))
action("key_type.deleted", _("%(actor)s deleted the key type %(target)s"))
action("scope.created", _("%(actor)s added the scope %(target)s"))
action("scope.updated", _("%(actor)s changed the scope %(target)s"))
action("scope.deleted", _("%(actor)s deleted the scope %(target)s"))
action("package.created", _("%(actor)s switched parts of the catalogue off for %(target)s"))
action("package.updated", _("%(actor)s changed what is switched off for %(target)s"))
action("event_type.created", _("%(actor)s added the event type %(target)s"))
action("event_type.updated", _("%(actor)s changed the event type %(target)s"))
action("event_type.deleted", _("%(actor)s deleted the event type %(target)s"))

# The log itself, notices, and calls of the API
action("audit.exported", _("%(actor)s exported the audit log"))
action("audit.export_cancelled", _("%(actor)s stopped an export of the audit log"))
action("audit.export_downloaded", _("%(actor)s downloaded an export of the audit log"))
action("audit.checkpoint_made", _("%(actor)s made the signed checkpoint %(target)s of the audit log"))
action("audit.trimmed", _("%(actor)s removed what the audit log kept up to number %(target)s, for its time is over"))
action("audit.calls_digest", _("%(rows_to)s calls of the hour %(target)s were put under seal"))
action("audit.attempts_digest", _("%(rows_to)s delivery attempts of the hour %(target)s were put under seal"))
action("audit.events_digest", _("%(rows_to)s events of the hour %(target)s were put under seal"))
action("notice.dismissed", _("%(actor)s dismissed the notice %(target)s"))
action("api.call", _("%(actor)s called %(target)s"))

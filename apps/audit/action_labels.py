"""Short labels of actions for the filter of the audit page, grouped by the kind of target.

An action without a label is shown as its sentence, with ellipses for actor and target.
"""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.audit.vocabulary import SENTENCES, render_sentence

# By the first part of the action's name; several can share a heading.
HEADINGS: dict[str, Promise] = {
    "user": _("People"),
    "session": _("People"),
    "member": _("People"),
    "invitation": _("People"),
    "operator": _("People"),
    "organization": _("Organization"),
    "api_key": _("API keys"),
    "sdk_key": _("SDK keys"),
    "activation": _("SDK keys"),
    "endpoint": _("Webhooks"),
    "delivery": _("Webhooks"),
    "replay": _("Webhooks"),
    "key_type": _("Catalogue"),
    "scope": _("Catalogue"),
    "package": _("Catalogue"),
    "event_type": _("Catalogue"),
}
OTHER = _("Log and portal")

LABELS: dict[str, Promise] = {
    "user.created": _("Account created"),
    "user.updated": _("Account changed"),
    "user.deleted": _("Account deleted"),
    "user.password_changed": _("Password changed"),
    "user.email_changed": _("E-mail address changed"),
    "user.email_confirmed": _("E-mail address confirmed"),
    "user.two_step_enabled": _("Two-step sign-in turned on"),
    "user.two_step_disabled": _("Two-step sign-in turned off"),
    "user.passkey_added": _("Passkey added"),
    "user.passkey_removed": _("Passkey removed"),
    "session.signed_in": _("Signed in"),
    "session.sign_in_failed": _("Sign-in failed"),
    "session.signed_out": _("Signed out"),
    "session.ended": _("Session ended"),
    "operator.created": _("Operator added"),
    "organization.created": _("Organization created"),
    "organization.updated": _("Settings changed"),
    "organization.suspended": _("Organization suspended"),
    "organization.resumed": _("Organization resumed"),
    "organization.closed": _("Organization closed"),
    "member.role_changed": _("Role changed"),
    "member.removed": _("Member removed"),
    "member.left": _("Member left"),
    "invitation.created": _("Invitation sent"),
    "invitation.revoked": _("Invitation withdrawn"),
    "invitation.accepted": _("Invitation accepted"),
    "api_key.created": _("API key created"),
    "api_key.updated": _("API key changed"),
    "api_key.rotated": _("API key rotated"),
    "api_key.revoked": _("API key revoked"),
    "api_key.disabled": _("API key disabled"),
    "api_key.enabled": _("API key enabled"),
    "api_key.leaked": _("API key leaked"),
    "api_key.quarantined": _("API key quarantined"),
    "api_key.released": _("API key released"),
    "sdk_key.created": _("SDK key created"),
    "sdk_key.updated": _("SDK key changed"),
    "sdk_key.rotated": _("SDK key rotated"),
    "sdk_key.revoked": _("SDK key revoked"),
    "sdk_key.disabled": _("SDK key disabled"),
    "sdk_key.enabled": _("SDK key enabled"),
    "sdk_key.leaked": _("SDK key leaked"),
    "sdk_key.quarantined": _("SDK key quarantined"),
    "sdk_key.released": _("SDK key released"),
    "endpoint.created": _("Endpoint added"),
    "endpoint.updated": _("Endpoint changed"),
    "endpoint.deleted": _("Endpoint deleted"),
    "endpoint.paused": _("Endpoint paused"),
    "endpoint.enabled": _("Endpoint enabled"),
    "endpoint.disabled": _("Endpoint disabled"),
    "endpoint.secret_rotated": _("Signing secret rotated"),
    "endpoint.secret_ended": _("Signing secret ended"),
    "endpoint.tested": _("Test event sent"),
    "endpoint.failing": _("Endpoint failing"),
    "endpoint.recovered": _("Endpoint recovered"),
    "endpoint.deliveries_retried": _("Deliveries sent again"),
    "delivery.retried": _("Delivery sent again"),
    "delivery.attempted": _("Delivery attempted"),
    "replay.started": _("Replay started"),
    "replay.cancelled": _("Replay stopped"),
    "key_type.created": _("Key type added"),
    "key_type.updated": _("Key type changed"),
    "key_type.deleted": _("Key type deleted"),
    "scope.created": _("Scope added"),
    "scope.updated": _("Scope changed"),
    "scope.deleted": _("Scope deleted"),
    "package.created": _("Parts of the catalogue switched off"),
    "package.updated": _("Switched-off parts changed"),
    "event_type.created": _("Event type added"),
    "event_type.updated": _("Event type changed"),
    "event_type.deleted": _("Event type deleted"),
    "audit.exported": _("Audit log exported"),
    "audit.export_cancelled": _("Export of the audit log stopped"),
    "audit.export_downloaded": _("Export of the audit log downloaded"),
    "audit.checkpoint_made": _("Checkpoint signed"),
    "audit.trimmed": _("Old changes removed"),
    "audit.calls_digest": _("Calls of an hour sealed"),
    "audit.attempts_digest": _("Attempts of an hour sealed"),
    "audit.events_digest": _("Events of an hour sealed"),
    "notice.dismissed": _("Notice dismissed"),
    "api.call": _("API call"),
}


def label_for(name: str) -> str:
    """Return the label of an action in the active language."""
    label = LABELS.get(name)
    return str(label) if label is not None else render_sentence(name, dict.fromkeys(("actor", "target"), "…"))


def grouped_labels() -> list[tuple[str, list[tuple[str, str]]]]:
    """Return each heading with its actions as (name, label), in the order of the vocabulary."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in SENTENCES:
        heading = str(HEADINGS.get(name.partition(".")[0], OTHER))
        groups.setdefault(heading, []).append((name, label_for(name)))
    return list(groups.items())

"""An organization's settings: each is validated by its rule; all are saved together and audited with both values."""

import uuid
from collections.abc import Callable
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor, ActorKind
from apps.base.errors import Conflict, Invalid
from apps.base.models import set_values
from apps.base.permissions import Permission
from apps.base.text.validation import check_plain_text
from apps.credentials.gate import key_check
from apps.orgs.lifecycle.organization_rows import lock_organization, require_operator_or_system
from apps.orgs.lookups import RETENTION_SETTINGS, portal_retention_days, retention_field
from apps.orgs.mail.recipients import GROUPS
from apps.orgs.members.membership_requirements import has_second_step
from apps.orgs.models import LeakPolicy, Membership, Organization, OrganizationStatus, Role

MAX_KEY_DAYS = 3650
MAX_NAME_LENGTH = 120
MAX_MEMBERS = 200
MIN_RETENTION_DAYS = {"audit": 30, "calls": 1, "deliveries": 1}
SETTINGS = (
    *("name", "longest_key_days", "two_step_required", "leak_policy", "mail_recipients"),
    *map(retention_field, RETENTION_SETTINGS),
)
# Settings that only operators can change.
OPERATOR_SETTINGS = ("ceiling_per_minute", "endpoint_limit", "kept_until")


@transaction.atomic
def update_settings(
    *, actor: Actor, organization_id: uuid.UUID | None = None, version: int | None = None, **values: Any
) -> Organization:
    """Change the named settings and record old and new values in one entry; without a change nothing is recorded.

    ``version``: the ``settings_version`` that the form was loaded with; raises Conflict if it changed since.
    ``organization_id``: for operators, who act in no organization. Raises Invalid naming the field.
    """
    actor.require(Permission.ORGANIZATION_WRITE)
    if not set(values).isdisjoint(OPERATOR_SETTINGS):
        require_operator_or_system(actor)
    organization = lock_organization(actor.organization_id or organization_id)
    if version is not None and version != organization.settings_version:
        raise Conflict(_("Somebody changed these settings meanwhile. Compare, then save once more."))
    if changes := set_values(organization, check_settings(actor, organization, values)):
        organization.settings_version += 1
        organization.save(update_fields=[*changes, "settings_version", "updated_at"])
        key_check.invalidate_organization(organization.pk)
        audit.record_change(actor, "organization.updated", organization, changes)
    return organization


def check_settings(actor: Actor, organization: Organization, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values as they will be saved, or raise Invalid naming the field."""
    return {name: RULES[name](actor, organization, value) for name, value in values.items()}


def _name(actor: Actor, organization: Organization, value: str) -> str:
    text = " ".join(value.split())
    if not 1 <= len(text) <= MAX_NAME_LENGTH or not text.isprintable():
        raise Invalid.field("name", _("Give a name of 1 to %(most)d characters.") % {"most": MAX_NAME_LENGTH})
    check_plain_text("name", text)
    return text


def _key_days(actor: Actor, organization: Organization, value: int | None) -> int | None:
    return _check_range("longest_key_days", value, 1, MAX_KEY_DAYS)


def _two_step(actor: Actor, organization: Organization, value: bool) -> bool:
    """Raise Invalid if the user who turns the requirement on has no second step and would be locked out."""
    turns_on = value and not organization.two_step_required
    if turns_on and actor.kind == ActorKind.USER and not has_second_step(actor.pk):
        message = _("Set up two-step sign-in for your own account first, then require it of everybody.")
        raise Invalid.field("two_step_required", message)
    return bool(value)


def _leak_policy(actor: Actor, organization: Organization, value: str) -> str:
    if value not in LeakPolicy.values:
        raise Invalid.field("leak_policy", _("Choose one of %(choices)s.") % {"choices": ", ".join(LeakPolicy.values)})
    return value


def _retention_rule(category: str) -> Callable[[Actor, Organization, int | None], int | None]:
    def rule(actor: Actor, organization: Organization, value: int | None) -> int | None:
        if value == getattr(organization, retention_field(category)):
            return value  # unchanged, though the portal's maximum can have become lower since
        return _check_range(
            retention_field(category), value, MIN_RETENTION_DAYS[category], portal_retention_days(category)
        )

    return rule


def _check_range(field: str, value: int | None, low: int, high: int) -> int | None:
    if value is not None and not low <= value <= high:
        raise Invalid.field(field, _("Choose from %(low)d to %(high)d days.") % {"low": low, "high": high})
    return value


def _recipients(actor: Actor, organization: Organization, value: dict[str, Any] | None) -> dict[str, Any] | None:
    """Drop unknown roles and users who are not members; a group without recipients gets the default ones."""
    member_ids = {each.user_public_id for each in _members(organization)}
    found: dict[str, Any] = {}
    for group in GROUPS:
        chosen = (value or {}).get(group) or {}
        roles = [role.value for role in Role if role in chosen.get("roles", ())]
        members = sorted(member_ids.intersection(chosen.get("members", ())))[:MAX_MEMBERS]
        if roles or members:
            found[group] = {"roles": roles, "members": members}
    return found or None


def _members(organization: Organization) -> Any:
    return Membership.objects.filter(organization=organization).select_related("user")


def _unchecked(actor: Actor, organization: Organization, value: Any) -> Any:
    return value


def _kept_until(actor: Actor, organization: Organization, value: Any) -> Any:
    """Return the new date of a closed organization, for which it is required; others have none."""
    if organization.status != OrganizationStatus.CLOSED:
        return organization.kept_until
    if value is None:
        raise Invalid.field("kept_until", _("Say until when the closed organization is kept."))
    return value


RULES: dict[str, Callable[[Actor, Organization, Any], Any]] = {
    "name": _name,
    "longest_key_days": _key_days,
    "two_step_required": _two_step,
    "leak_policy": _leak_policy,
    "mail_recipients": _recipients,
    **{retention_field(category): _retention_rule(category) for category in RETENTION_SETTINGS},
    "ceiling_per_minute": _unchecked,
    "endpoint_limit": _unchecked,
    "kept_until": _kept_until,
}

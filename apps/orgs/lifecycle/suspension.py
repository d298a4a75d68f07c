"""Suspending and resuming an organization, by an operator, with a reason that its members can read."""

import uuid
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import Conflict
from apps.base.permissions import Permission
from apps.credentials.gate import key_check
from apps.notices import actions as notices
from apps.notices.models import Severity
from apps.orgs.lifecycle.organization_rows import (
    check_not_platform,
    clean_reason,
    lock_organization,
    require_operator_or_system,
)
from apps.orgs.models import Organization, OrganizationStatus
from apps.webhooks import actions as webhooks

NOTICE_PREFIX = "organization.suspended:"


@transaction.atomic
def suspend_organization(*, actor: Actor, organization_id: uuid.UUID, reason: str) -> Organization:
    """Suspend the organization: keys get 403 ``organization_suspended``, deliveries are held, pages are read-only.

    Notifies its owners. If it is suspended already, only the reason changes. Raises Conflict for a closed one.
    """
    require_operator_or_system(actor)
    organization, text = lock_organization(organization_id), clean_reason(reason)
    check_not_platform(organization)
    if organization.status == OrganizationStatus.CLOSED:
        raise Conflict(_("This organization is closed: nothing of it works anyway."))
    if organization.status == OrganizationStatus.ACTIVE:
        set_status(organization, OrganizationStatus.SUSPENDED, text)
        held = webhooks.hold_for_suspension(organization_id=organization.pk)
        changes: dict[str, list[Any]] = {
            "status": ["active", "suspended"],
            "reason": [None, text],
            "deliveries_held": [None, held],
        }
        audit.record_change(actor, "organization.suspended", organization, changes)
        _notify_owners(organization, "organization.suspended", Severity.BAD, {"reason": text})
    elif organization.status_reason != text:
        before = organization.status_reason
        set_status(organization, OrganizationStatus.SUSPENDED, text)
        audit.record_change(actor, "organization.updated", organization, {"reason": [before, text]})
    return organization


@transaction.atomic
def resume_organization(*, actor: Actor, organization_id: uuid.UUID) -> Organization:
    """Resume a suspended organization and release held deliveries; an active one does not change."""
    require_operator_or_system(actor)
    organization = lock_organization(organization_id)
    if organization.status == OrganizationStatus.CLOSED:
        raise Conflict(_("This organization is closed. Open it again instead."))
    if organization.status == OrganizationStatus.SUSPENDED:
        reason = organization.status_reason
        set_status(organization, OrganizationStatus.ACTIVE, "")
        released = webhooks.release_after_suspension(organization_id=organization.pk)
        changes: dict[str, list[Any]] = {
            "status": ["suspended", "active"],
            "reason": [reason, None],
            "deliveries_released": [None, released],
        }
        audit.record_change(actor, "organization.resumed", organization, changes)
        notices.resolve(organization_id=organization.pk, dedupe_prefix=NOTICE_PREFIX)
        _notify_owners(organization, "organization.resumed", Severity.OK, {})
    return organization


def set_status(organization: Organization, status: str, reason: str, **more: Any) -> None:
    """Save the status, and invalidate what the key check cached about the organization."""
    values = {"status": status, "status_reason": reason, **more}
    for name, value in values.items():
        setattr(organization, name, value)
    organization.save(update_fields=[*values, "updated_at"])
    key_check.invalidate_organization(organization.pk)


def _notify_owners(organization: Organization, kind: str, severity: str, params: dict[str, Any]) -> None:
    notices.notify(
        organization_id=organization.pk,
        kind=kind,
        dedupe_key=f"{kind}:{timezone.now():%Y-%m-%dT%H:%M:%S.%f}",
        severity=severity,
        params=params,
        permission=Permission.ORGANIZATION_OWN,
    )

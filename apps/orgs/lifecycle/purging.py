"""Purging closed organizations after their retention, in batches; a periodic job.

Every table with a foreign key to the organization is emptied, in all apps: new tables need no change here. Rows that
others still reference are left for the next batch. The audit log stays for its own retention, and with it the
organization's row, under another slug so that the old one can be reused; the row is deleted after the last entry.
"""

import time
from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models, transaction
from django.utils import timezone

from apps.audit import actions as audit
from apps.audit.models import ApiCall, AuditEntry, LastUse, UsageDay, UsageHour
from apps.audit.retention import windows
from apps.base.actor import system
from apps.credentials.models import SecretKey
from apps.orgs.models import Membership, Organization, OrganizationStatus, User

BATCH = 200
MAX_SECONDS = 0.5
# Usage data of the audit app; its other tables are the log itself, which has its own retention.
USAGE_MODELS = (ApiCall, UsageHour, UsageDay)


# The periodic job orgs.delete_closed_organizations (apps.py).
def purge_closed() -> int:
    """Delete some rows of organizations whose retention is over; return how many."""
    deadline, removed = time.monotonic() + MAX_SECONDS, 0
    due = Organization.objects.filter(status=OrganizationStatus.CLOSED, kept_until__lte=timezone.now(), purged_at=None)
    for key in due.order_by("kept_until").values_list("pk", flat=True)[:20]:
        while time.monotonic() < deadline:
            count = _purge_batch(key)
            if count is None:
                break
            removed += count
    return removed


@transaction.atomic
def _purge_batch(key: Any) -> int | None:
    """Delete a batch and return its size; None if nothing is left, or another worker has the lock."""
    rows = Organization.objects.select_for_update(skip_locked=True, no_key=True)
    organization = rows.filter(pk=key, status=OrganizationStatus.CLOSED, purged_at=None).first()
    # Checked again under the lock: an operator can have changed the date or reopened the organization.
    if organization is None or organization.kept_until is None or organization.kept_until > timezone.now():
        return None
    # Before the first deletion: a verification of the log must not report these rows as missing.
    windows.reset_windows(organization.pk)
    for model in _tenant_models():
        removed = _delete_batch(model, organization)
        if removed:
            return removed
    deleted = _delete_members(organization)
    if deleted:
        return deleted
    if not any(_rows(model, organization).exists() for model in _tenant_models()):
        _mark_purged(organization)
    return None


def _tenant_models() -> Iterator[type[models.Model]]:
    """Yield the models whose rows are deleted with an organization; memberships are deleted last, separately."""
    for model in apps.get_models():
        is_log = model._meta.app_label == "audit" and model not in USAGE_MODELS
        if _has_organization_key(model) and not is_log and model is not Membership:
            yield model


def _has_organization_key(model: type[models.Model]) -> bool:
    """Return whether the model has a foreign key to the organization."""
    fields = model._meta.concrete_fields
    return any(each.related_model is Organization and each.attname == "organization_id" for each in fields)


def _rows(model: type[models.Model], organization: Organization) -> models.QuerySet[Any]:
    return model._base_manager.filter(organization_id=organization.pk)


def _delete_batch(model: type[models.Model], organization: Organization) -> int:
    """Delete a batch of a table, oldest first; nothing while other rows protect them."""
    keys = list(_rows(model, organization).order_by("pk").values_list("pk", flat=True)[:BATCH])
    if not keys:
        return 0
    rows = model._base_manager.filter(pk__in=keys)
    for field in model._meta.concrete_fields:
        relation = field.remote_field
        if relation is not None and field.related_model is model and relation.on_delete is models.PROTECT:
            # A key and its successor protect each other.
            rows.update(**{field.name: None})
            model._base_manager.filter(**{f"{field.name}__in": keys}).update(**{field.name: None})
    if issubclass(model, SecretKey):
        LastUse.objects.filter(credential_id__in=keys).delete()
    try:
        with transaction.atomic():
            return rows.delete()[0]
    except models.ProtectedError:
        return 0


def _delete_members(organization: Organization) -> int:
    """Delete a batch of memberships, and accounts without another organization except operators'."""
    members = list(Membership.objects.filter(organization=organization).order_by("pk")[:BATCH])
    user_ids = [each.user_id for each in members]
    Membership.objects.filter(pk__in=[each.pk for each in members]).delete()
    for user in User.objects.filter(pk__in=user_ids, is_staff=False, memberships=None):
        user.delete()
    return len(members)


def _mark_purged(organization: Organization) -> None:
    organization.slug, organization.purged_at = f"closed-{organization.pk.hex}", timezone.now()
    organization.mail_recipients = None
    organization.save(update_fields=["slug", "purged_at", "mail_recipients", "updated_at"])
    audit.record_change(system(organization.pk), "organization.purged", organization)


# The periodic job orgs.delete_emptied_organizations (apps.py).
def delete_purged_organizations() -> int:
    """Delete purged organizations whose audit log has expired; return how many."""
    deleted = 0
    for organization in Organization.objects.exclude(purged_at=None):
        if AuditEntry.objects.filter(organization=organization).exists():
            continue
        windows.delete_windows(organization.pk)
        if not any(_rows(model, organization).exists() for model in apps.get_models() if _has_organization_key(model)):
            organization.delete()
            deleted += 1
    return deleted

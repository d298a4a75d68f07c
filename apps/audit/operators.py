"""Bases of the operators' admin: pages to read, and pages whose every change is in the audit log."""

from typing import Any, cast

from django.contrib import admin
from django.core.paginator import Paginator
from django.db import models, transaction
from django.http import HttpRequest
from django.utils.functional import cached_property

from apps.audit import actions as audit
from apps.base.actor import Actor, ActorKind
from apps.base.organizations import organization_pk
from apps.base.requests import PortalRequest

MOST_ROWS = 10_000
PLATFORM = "platform"


class NewestRows(Paginator):
    """Pages over the first rows only: counting millions would take longer than reading the page."""

    @cached_property
    def count(self) -> int:
        """The number of rows, at most 10,000."""
        return self.object_list[:MOST_ROWS].count()  # type: ignore[attr-defined]  # a slice of rows is rows


class ReadOnlyAdmin(admin.ModelAdmin):
    """A list and a page to read."""

    paginator = NewestRows
    show_full_result_count = False
    list_per_page = 50
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """This will refuse: the portal writes these rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """This will refuse: these rows change through the portal's own actions only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """This will refuse: rows go by retention only."""
        return False


def operator_of(request: PortalRequest) -> Actor:
    """This will return the signed-in operator as the actor, of no organization of their own."""
    return Actor(
        kind=ActorKind.OPERATOR,
        id=request.user.public_id,
        label=request.user.email,
        address=request.client_address,
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:300],
        request_id=request.request_id,
        pk=request.user.pk,
    )


class AuditedAdmin(admin.ModelAdmin):
    """A page whose changes are recorded, with old and new, in one transaction. Nothing is deleted here."""

    audit_kind = ""
    actions = None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """This will refuse: what was once used is switched off, not deleted."""
        return False

    def save_model(self, request: HttpRequest, obj: models.Model, form: Any, change: bool) -> None:
        """This will save and record in one transaction, then let the app tell whoever caches the row."""
        before = {name: form.initial.get(name) for name in form.changed_data}
        with transaction.atomic():
            super().save_model(request, obj, form, change)
            audit.record(
                actor=operator_of(cast(PortalRequest, request)),
                action=self.action_name(change, before, obj),
                target_kind=self.audit_kind,
                target_id=str(getattr(obj, "public_id", obj.pk)),
                target_label=str(obj),
                changes={name: [_plain(old), _plain(getattr(obj, name))] for name, old in before.items()},
                organization_id=self.organization_of(obj),
            )
            self.after_change(obj)

    def action_name(self, change: bool, before: dict[str, Any], obj: models.Model) -> str:
        """This will return the audit action, such as ``key_type.updated``."""
        return f"{self.audit_kind}.{'updated' if change else 'created'}"

    def organization_of(self, obj: models.Model) -> Any:
        """This will return whose audit log it belongs to; the catalogue is the vendor's own."""
        return organization_pk(PLATFORM)

    def after_change(self, obj: models.Model) -> None:
        """This will do what must follow in the same transaction."""


def _plain(value: Any) -> Any:
    return value if isinstance(value, (str, int, float, bool, list, dict, type(None))) else str(value)

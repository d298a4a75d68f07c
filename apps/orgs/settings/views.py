"""Pages of an organization's settings: an overview, and one page for each part that can be changed."""

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.db.models import F, Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit.models import ApiCall, AuditEntry
from apps.base.errors import Conflict, PortalError
from apps.base.identifiers import uuid_at
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.forms import AlreadySubmitted
from apps.base.web.pages import FORM_METHODS, org_page
from apps.credentials.key_kinds import KEY_KINDS
from apps.orgs.lookups import RETENTION_SETTINGS, portal_retention_days, retention_field
from apps.orgs.mail.recipients import GROUPS
from apps.orgs.members.membership_requirements import has_second_step, without_second_step
from apps.orgs.models import Membership, Organization, Role
from apps.orgs.settings.forms import (
    RETENTION_LABELS,
    GeneralForm,
    MailForm,
    RetentionForm,
    SecurityForm,
    SettingsForm,
)
from apps.orgs.settings.organization_settings import update_settings
from apps.webhooks.models import Delivery

MAX_COUNTED = 10_000

MAX_LISTED = 50

NAV = "organization"


@org_page(Permission.ORGANIZATION_READ, nav=NAV)
def organization_settings(request: PortalRequest) -> HttpResponse:
    """Show every setting, with links to the pages that change them."""
    organization = request.organization
    context = {
        "retention": [
            {
                "label": label,
                "days": getattr(organization, retention_field(category)) or portal_retention_days(category),
            }
            for category, label in RETENTION_LABELS.items()
        ],
        "mail": [{"label": label, "text": _recipients(organization, group)} for group, label in GROUPS.items()],
        "without_second_step": _without_second_step(organization),
        "longer_keys": find_overlong_keys(organization),
    }
    return render(request, "organization/settings.html", context)


@org_page(Permission.ORGANIZATION_WRITE, nav=NAV, methods=FORM_METHODS)
def organization_general(request: PortalRequest) -> HttpResponse:
    """Change the name."""
    return _edit(request, GeneralForm, "organization/general.html")


@org_page(Permission.ORGANIZATION_WRITE, nav=NAV, methods=FORM_METHODS)
def organization_security(request: PortalRequest) -> HttpResponse:
    """Change how long keys live, how members sign in, and what happens to a leaked key."""
    context = {"has_second_step": has_second_step(request.user.pk), **_security_context(request.organization)}
    return _edit(request, SecurityForm, "organization/security.html", context)


@org_page(Permission.ORGANIZATION_WRITE, nav=NAV, methods=FORM_METHODS)
def organization_retention(request: PortalRequest) -> HttpResponse:
    """Change the retention; rows that a shorter one would remove are counted and shown first."""
    return _edit(request, RetentionForm, "organization/retention.html")


@org_page(Permission.ORGANIZATION_WRITE, nav=NAV, methods=FORM_METHODS)
def organization_mail(request: PortalRequest) -> HttpResponse:
    """Change the recipients of each group of mail."""
    return _edit(request, MailForm, "organization/mail.html")


def _edit(
    request: PortalRequest, form_class: type[SettingsForm], template: str, context: dict[str, Any] | None = None
) -> HttpResponse:
    data = request.POST if request.method == "POST" else None
    form = form_class(data, request=request, organization=request.organization)
    if form.is_valid() and _save(request, form):
        messages.success(request, _("Saved."))
        return redirect("organization_settings", request.organization.slug)
    shorter = getattr(form, "shorter", {})
    rows_to_delete = [
        {"label": RETENTION_LABELS[category], **preview_removal(request.organization, category, days)}
        for category, days in shorter.items()
    ]
    context = {
        "form": form,
        "rows_to_delete": rows_to_delete,
        "most": {category: portal_retention_days(category) for category in RETENTION_SETTINGS},
        **(context or {}),
    }
    return render(request, template, context, status=422 if form.errors else 200)


def _save(request: PortalRequest, form: SettingsForm) -> bool:
    """Save the settings, or add the refusal to the form; return whether they are saved."""
    try:
        with transaction.atomic():
            form.consume_token()
            update_settings(actor=request.actor, version=form.cleaned_data["version"], **form.action_arguments())
    except AlreadySubmitted:
        pass  # saved by the first of the two
    except Conflict as error:
        form.use_newest_version(Organization.objects.get(pk=request.organization.pk))
        form.add_error(None, str(error.message))
        return False
    except PortalError as error:
        for name, texts in (error.fields or {}).items():
            form.add_error(name if name in form.fields else None, [str(text) for text in texts])
        if not error.fields:
            form.add_error(None, str(error.message))
        return False
    return True


def _security_context(organization: Organization) -> dict[str, Any]:
    return {
        "without_second_step": _without_second_step(organization),
        "longer_keys": find_overlong_keys(organization),
    }


def _without_second_step(organization: Organization) -> list[str]:
    """Return the names of the members who have not set up two-step sign-in."""
    return [each.user.name or each.user.email for each in without_second_step(organization)]


def _recipients(organization: Organization, group: str) -> str:
    """Return the recipients of a group as text."""
    chosen = (organization.mail_recipients or {}).get(group)
    if chosen is None:
        return _("Whoever may act on it")
    roles = [str(Role(role).label) for role in chosen["roles"]]
    rows = Membership.objects.filter(organization=organization).select_related("user")
    names = [each.user.name or each.user.email for each in rows if each.user_public_id in chosen["members"]]
    return ", ".join([*roles, *names]) or _("Owners")


def find_overlong_keys(organization: Organization) -> list[dict[str, Any]]:
    """Return up to 50 active keys, of every kind, whose lifetime exceeds the organization's limit."""
    days = organization.longest_key_days
    if days is None:
        return []
    found = []
    for kind in KEY_KINDS.values():
        rows = kind.keys().filter(organization_id=organization.pk).live()
        longer = rows.filter(Q(expires_at=None) | Q(expires_at__gt=F("created_at") + timedelta(days=days, seconds=5)))
        found += [_key_row(kind.kind, key, organization.slug) for key in longer.order_by("pk")[:MAX_LISTED]]
    return found[:MAX_LISTED]


def _key_row(kind: str, key: Any, slug: str) -> dict[str, Any]:
    try:
        url = reverse(kind, args=[slug, key.public_id])
    except NoReverseMatch:
        url = ""
    return {"name": key.name, "mask": key.mask, "expires_at": key.expires_at, "url": url}


def preview_removal(organization: Organization, category: str, days: int) -> dict[str, Any]:
    """Return the number of rows of a category that are older than ``days``: exact up to 10,000, then ``many``."""
    model = {"audit": AuditEntry, "calls": ApiCall, "deliveries": Delivery}[category]
    before = uuid_at(timezone.now() - timedelta(days=days))
    rows = model._default_manager.filter(organization_id=organization.pk, pk__lt=before)
    count = rows.order_by("pk")[: MAX_COUNTED + 1].count()
    return {"days": days, "count": min(count, MAX_COUNTED), "many": count > MAX_COUNTED}

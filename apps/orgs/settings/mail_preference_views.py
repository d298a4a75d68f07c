"""The page of one's own mail preferences, for each organization."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from apps.base.requests import PortalRequest
from apps.orgs.mail.recipients import GROUPS, OPTIONAL_GROUPS
from apps.orgs.members.middleware import enter_organization
from apps.orgs.models import Membership, OrganizationStatus
from apps.orgs.settings import preferences


@require_http_methods(["GET", "HEAD", "POST"])
@login_required
def account_mail(request: PortalRequest) -> HttpResponse:
    """Show and save the chosen groups of mail of each organization; security mail can't be declined."""
    rows = Membership.objects.filter(user_id=request.user.pk).select_related("organization")
    rows = rows.exclude(organization__status=OrganizationStatus.CLOSED).order_by("organization__name")
    mine = [row for row in rows if not row.organization.is_platform]
    if request.method == "POST":
        return _save(request, mine)
    return render(request, "account/mail.html", {"choices": [_choices(row) for row in mine]})


def _choices(membership: Membership) -> dict[str, Any]:
    off = membership.mail_off or []
    ticks = [
        {"name": _field(membership), "value": group, "label": GROUPS[group], "on": group not in off}
        for group in OPTIONAL_GROUPS
    ]
    return {"organization": membership.organization.name, "slug": membership.organization.slug, "ticks": ticks}


def _field(membership: Membership) -> str:
    return f"mail_{membership.organization.slug}"


def _save(request: PortalRequest, mine: list[Membership]) -> HttpResponse:
    """Save each organization's choice as its member; the organization used last does not change."""
    last = request.session.get("organization")
    for membership in mine:
        wanted = request.POST.getlist(_field(membership))
        redirection = enter_organization(request, membership.organization.slug)
        if redirection is not None:
            return redirection
        preferences.choose_own_mail(actor=request.actor, off=[each for each in OPTIONAL_GROUPS if each not in wanted])
    if last is not None:
        request.session["organization"] = last
    messages.success(request, _("Saved."))
    return redirect("account_mail")

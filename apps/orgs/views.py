"""Pages about people and organizations."""

from allauth.mfa.models import Authenticator
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _

from apps.base.pages import org_page
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.orgs.models import Membership, Organization, Role
from apps.orgs.roles import RANK

ROLE_TEXTS = {
    Role.OWNER: _("Everything, owners and the end of the organization included."),
    Role.ADMIN: _("Everything but owners and the end of the organization."),
    Role.DEVELOPER: _("Webhooks and the audit log; sees keys, masked."),
    Role.VIEWER: _("Sees everything but the audit log, changes nothing."),
}


@login_required
def landing(request: PortalRequest) -> HttpResponse:
    """Leads to the organization used last, the only one, or the choice between several."""
    mine = list(Organization.objects.for_member(request.user).order_by("name"))
    last = request.session.get("organization")
    chosen = next((each for each in mine if each.slug == last), mine[0] if len(mine) == 1 else None)
    if chosen is not None:
        return redirect("overview", chosen.slug)
    if request.user.is_staff and not mine:
        return redirect("admin:index")
    return render(request, "organizations.html")


@org_page(Permission.MEMBERS_READ, nav="members")
def members(request: PortalRequest) -> HttpResponse:
    """S15: who belongs here and what each role may do."""
    rows = list(Membership.objects.for_actor(request.actor).select_related("user"))
    people = [row.user_id for row in rows]
    two_step = set(Authenticator.objects.filter(user__in=people).values_list("user_id", flat=True))
    rows.sort(key=lambda row: (-RANK[Role(row.role)], row.user.name.lower()))
    context = {
        "members": [
            {
                "name": row.user.name,
                "email": row.user.email,
                "role": row.role,
                "last_seen_at": row.last_seen_at,
                "two_step": row.user_id in two_step,
                "is_you": row.user_id == request.user.pk,
            }
            for row in rows
        ],
        "roles": [{"role": role, "text": text} for role, text in ROLE_TEXTS.items()],
    }
    return render(request, "orgs/members.html", context)

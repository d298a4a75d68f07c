"""Pages that lead to one of the user's organizations."""

from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render

from apps.base.requests import PortalRequest
from apps.orgs.models import Membership, OrganizationStatus


@login_required
def landing(request: PortalRequest) -> HttpResponse:
    """Redirect to the organization used last, to the only one, or to the list."""
    mine = _memberships(request)
    last = request.session.get("organization")
    used = [each for each in mine if each.last_seen_at is not None]
    chosen = next((each for each in mine if each.organization.slug == last), None)
    chosen = chosen or max(used, key=lambda each: each.last_seen_at, default=mine[0] if len(mine) == 1 else None)
    if chosen is not None:
        return redirect("overview", chosen.organization.slug)
    if request.user.is_staff and not mine:
        return redirect("admin:index")
    return redirect("organizations")


@login_required
def organizations(request: PortalRequest) -> HttpResponse:
    """List the user's organizations, the one used last first."""
    mine = sorted(_memberships(request), key=lambda each: each.organization.name.lower())
    mine.sort(key=lambda each: each.last_seen_at.timestamp() if each.last_seen_at else 0, reverse=True)
    return render(request, "organizations.html", {"memberships": mine})


def _memberships(request: PortalRequest) -> list[Membership]:
    rows = Membership.objects.filter(user_id=request.user.pk).select_related("organization")
    rows = rows.exclude(organization__status=OrganizationStatus.CLOSED)
    return [row for row in rows.order_by("organization__name") if not row.organization.is_platform]

"""Pages of members, roles, a single member, removal and leaving."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.base.errors import Conflict, Forbidden, Invalid
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.forms import AlreadySubmitted, StepUpForm, form_token
from apps.base.web.pages import FORM_METHODS, org_page, selected_filter
from apps.credentials.view_models import count_descendants
from apps.orgs.members import membership, view_models
from apps.orgs.members.forms import LeaveForm, RemoveForm, RoleForm
from apps.orgs.members.page_context import own_memberships
from apps.orgs.models import Membership, Role

PER_PAGE = 50


@org_page(Permission.MEMBERS_READ, nav="members")
def members(request: PortalRequest) -> HttpResponse:
    """List the members, filtered by text and role, and the invitations."""
    text, role = request.GET.get("q", "").strip(), selected_filter(request, "role", Role.values)
    found = view_models.members(request.actor, text, role)
    page: Page[Any] = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    page.object_list = view_models.member_rows(request.actor, list(page.object_list))
    context = {
        "page_obj": page,
        "q": text,
        "role": role,
        "roles": Role.choices,
        "filtered": bool(text or role),
        "invitations": _invitations(request),
        "is_last_owner": membership.is_last_owner(request.membership),
    }
    return render(request, "orgs/members.html", context)


def _invitations(request: PortalRequest) -> list[dict[str, Any]]:
    """Return the invitations, each with a token for its two buttons."""
    rows = view_models.invitation_rows(request.actor)
    for row in rows if request.actor.can(Permission.USERS_WRITE) else ():
        for name in ("resend", "revoke"):
            path = reverse(f"invitation_{name}", args=[request.organization.slug, row["id"]])
            row[name] = {"path": path, "token": form_token(request, path)}
    return rows


@org_page(Permission.MEMBERS_READ, nav="members")
def roles(request: PortalRequest) -> HttpResponse:
    """Show the table of roles and permissions."""
    context = {"roles": list(Role), "own_role": request.membership.role, "role_table": view_models.role_table()}
    return render(request, "orgs/roles.html", context)


@org_page(Permission.MEMBERS_WRITE, nav="members", methods=FORM_METHODS)
def member(request: PortalRequest, user_id: str) -> HttpResponse:
    """Show a member and change the role."""
    found = membership.find_membership(request.actor, user_id)
    form = RoleForm(
        request.POST if request.method == "POST" else None,
        request=request,
        roles=view_models.assignable_roles(request.actor),
        initial={"role": found.role},
    )
    if form.is_valid() and _apply(form, membership.change_role, request, user_id, role=form.cleaned_data["role"]):
        params = {"name": found.user.name or found.user.email, "role": Role(form.cleaned_data["role"]).label}
        messages.success(request, _("%(name)s is %(role)s now, from the next click on.") % params)
        return redirect("members", request.organization.slug)
    context = {"form": form, "is_last_owner": membership.is_last_owner(found), **_member_context(request, found)}
    return render(request, "orgs/member.html", context, status=422 if form.errors else 200)


@org_page(Permission.MEMBERS_WRITE, nav="members", methods=FORM_METHODS)
def member_remove(request: PortalRequest, user_id: str) -> HttpResponse:
    """Show what removing a member ends, and remove the member."""
    found = membership.find_membership(request.actor, user_id)
    if found.user_id == request.user.pk:
        return redirect("leave", request.organization.slug)
    form = RemoveForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid() and _apply(form, membership.remove_member, request, user_id):
        name = found.user.name or found.user.email
        messages.success(request, _("%(name)s is removed. The next click finds nothing.") % {"name": name})
        if count_descendants(request.actor, user_id):
            return redirect("created_by", request.organization.slug, user_id)
        return redirect("members", request.organization.slug)
    context = {"form": form, "is_only": _is_only_organization(found), **_member_context(request, found)}
    return render(request, "orgs/member_remove.html", context, status=422 if form.errors else 200)


@org_page(Permission.MEMBERS_READ, nav="members", methods=FORM_METHODS)
def leave(request: PortalRequest) -> HttpResponse:
    """Show what leaving ends, and leave; the last owner is refused."""
    found = request.membership
    form = LeaveForm(request.POST if request.method == "POST" else None, request=request)
    if form.is_valid() and _apply(form, membership.leave_organization, request):
        request.session.pop("organization", None)
        messages.success(request, _("You left %(name)s.") % {"name": request.organization.name})
        return redirect("landing")
    context = {
        "form": form,
        "is_only": _is_only_organization(found),
        "is_last_owner": membership.is_last_owner(found),
        "keys": view_models.count_created_keys(request.actor, [request.actor.id]).get(request.actor.id, 0),
    }
    return render(request, "orgs/leave.html", context, status=422 if form.errors else 200)


def _member_context(request: PortalRequest, found: Membership) -> dict[str, Any]:
    descendant_count = count_descendants(request.actor, found.user_public_id)
    return {"member": view_models.member_rows(request.actor, [found])[0], "descendant_count": descendant_count}


def _is_only_organization(found: Membership) -> bool:
    """Return whether the account belongs to no other organization, so it is deleted with the membership."""
    others = Membership.objects.filter(user_id=found.user_id).exclude(pk=found.pk)
    return not found.user.is_staff and not others.exists()


def _apply(form: StepUpForm, change: Callable[..., Any], request: PortalRequest, *ids: str, **values: Any) -> bool:
    """Use the form's token and make the change, or add the refusal to the form; return whether it is done."""
    named = dict(zip(("user_id",), ids, strict=False))
    try:
        with transaction.atomic():
            form.consume_token()
            change(actor=request.actor, **named, **values)
    except AlreadySubmitted:
        pass  # done by the first of the two
    except (Conflict, Forbidden, Invalid) as error:
        form.add_error(None, str(error))
        return False
    return True


@login_required
def landing(request: PortalRequest) -> HttpResponse:
    """Redirect to the organization used last, to the only one, or to the list."""
    memberships = own_memberships(request)
    last = request.session.get("organization")
    used = [each for each in memberships if each.last_seen_at is not None]
    chosen = next((each for each in memberships if each.organization.slug == last), None)
    chosen = chosen or max(
        used, key=lambda each: each.last_seen_at, default=memberships[0] if len(memberships) == 1 else None
    )
    if chosen is not None:
        return redirect("overview", chosen.organization.slug)
    if request.user.is_staff and not memberships:
        return redirect("admin:index")
    return redirect("organizations")


@login_required
def organizations(request: PortalRequest) -> HttpResponse:
    """List the user's organizations, the one used last first."""
    memberships = sorted(own_memberships(request), key=lambda each: each.organization.name.lower())
    memberships.sort(key=lambda each: each.last_seen_at.timestamp() if each.last_seen_at else 0, reverse=True)
    return render(request, "organizations.html", {"memberships": memberships})

"""Pages to send, resend and revoke invitations."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from apps.base.errors import Conflict, Forbidden, PortalError
from apps.base.permissions import Permission
from apps.base.requests import PortalRequest
from apps.base.web.forms import AlreadySubmitted, OneUseForm
from apps.base.web.pages import FORM_METHODS, POST_ONLY, org_page
from apps.orgs.invitations import actions
from apps.orgs.invitations.forms import InviteForm
from apps.orgs.invitations.mail_limits import check_mail_limits
from apps.orgs.members import view_models
from apps.orgs.models import Invitation


@org_page(Permission.MEMBERS_WRITE, nav="members", methods=FORM_METHODS)
def invite(request: PortalRequest) -> HttpResponse:
    """Invite an address with a role."""
    roles = view_models.assignable_roles(request.actor)
    form = InviteForm(request.POST if request.method == "POST" else None, request=request, roles=roles)
    if form.is_valid() and _send(request, form):
        params = {"email": form.cleaned_data["email"]}
        messages.success(request, _("%(email)s is invited. The link in the mail works for seven days.") % params)
        return redirect("members", request.organization.slug)
    return render(request, "orgs/invite.html", {"form": form}, status=422 if form.errors else 200)


def _send(request: PortalRequest, form: InviteForm) -> bool:
    email, role = form.cleaned_data["email"], form.cleaned_data["role"]
    try:
        with transaction.atomic():
            form.consume_token()
            actions.invite(actor=request.actor, email=email, role=role)
            check_mail_limits(request, str(request.organization.pk), email)
    except AlreadySubmitted:
        pass  # done by the first of the two
    except Conflict as error:
        form.add_error("email", str(error))
        return False
    except PortalError as error:
        form.add_error(None, str(error))
        return False
    return True


@org_page(Permission.MEMBERS_WRITE, nav="members", methods=POST_ONLY)
def invitation_resend(request: PortalRequest, invitation_id: str) -> HttpResponse:
    """Send a new link; the old one stops working."""
    success_message = _("%(email)s gets a new link. The old one is dead.")
    return _run_button(request, actions.resend_invitation, invitation_id, success_message, sends_mail=True)


@org_page(Permission.MEMBERS_WRITE, nav="members", methods=POST_ONLY)
def invitation_revoke(request: PortalRequest, invitation_id: str) -> HttpResponse:
    """Revoke an invitation."""
    success_message = _("The invitation of %(email)s is withdrawn. Its link is dead.")
    return _run_button(request, actions.revoke_invitation, invitation_id, success_message)


def _run_button(
    request: PortalRequest,
    change: Callable[..., Any],
    invitation_id: str,
    success_message: str,
    *,
    sends_mail: bool = False,
) -> HttpResponse:
    email = Invitation.objects.for_actor(request.actor).visible().with_public_id(invitation_id).email
    form = OneUseForm(request.POST, request=request)
    try:
        if form.is_valid():
            with transaction.atomic():
                form.consume_token()
                change(actor=request.actor, invitation_id=invitation_id)
                if sends_mail:
                    check_mail_limits(request, str(request.organization.pk), email)
            messages.success(request, success_message % {"email": email})
        else:
            messages.warning(request, _("This form was open for too long. Send it once more."))
    except AlreadySubmitted:
        pass  # done by the first of the two
    except (Conflict, Forbidden) as error:
        messages.warning(request, str(error))
    return redirect("members", request.organization.slug)

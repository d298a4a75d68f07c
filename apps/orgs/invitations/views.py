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
from apps.base.web.forms import AlreadySent, OneUseForm
from apps.base.web.pages import BUTTON, FORM, org_page
from apps.orgs.invitations import actions
from apps.orgs.invitations.forms import InviteForm
from apps.orgs.invitations.mail_limits import check_mails
from apps.orgs.members import view_models
from apps.orgs.models import Invitation


@org_page(Permission.MEMBERS_WRITE, nav="members", methods=FORM)
def invite(request: PortalRequest) -> HttpResponse:
    """Invite an address with a role."""
    roles = view_models.assignable_roles(request.actor)
    form = InviteForm(request.POST if request.method == "POST" else None, request=request, roles=roles)
    if form.is_valid() and _send(request, form):
        words = {"email": form.cleaned_data["email"]}
        messages.success(request, _("%(email)s is invited. The link in the mail works for seven days.") % words)
        return redirect("members", request.organization.slug)
    return render(request, "orgs/invite.html", {"form": form}, status=422 if form.errors else 200)


def _send(request: PortalRequest, form: InviteForm) -> bool:
    email, role = form.cleaned_data["email"], form.cleaned_data["role"]
    try:
        with transaction.atomic():
            form.consume_token()
            actions.invite(actor=request.actor, email=email, role=role)
            check_mails(request, str(request.organization.pk), email)
    except AlreadySent:
        pass  # done by the first of the two
    except Conflict as error:
        form.add_error("email", str(error))
        return False
    except PortalError as error:
        form.add_error(None, str(error))
        return False
    return True


@org_page(Permission.MEMBERS_WRITE, nav="members", methods=BUTTON)
def invitation_resend(request: PortalRequest, invitation_id: str) -> HttpResponse:
    """Send a new link; the old one stops working."""
    done = _("%(email)s gets a new link. The old one is dead.")
    return _click(request, actions.resend_invitation, invitation_id, done, sends_mail=True)


@org_page(Permission.MEMBERS_WRITE, nav="members", methods=BUTTON)
def invitation_revoke(request: PortalRequest, invitation_id: str) -> HttpResponse:
    """Revoke an invitation."""
    done = _("The invitation of %(email)s is withdrawn. Its link is dead.")
    return _click(request, actions.revoke_invitation, invitation_id, done)


def _click(
    request: PortalRequest, change: Callable[..., Any], invitation_id: str, done: str, *, sends_mail: bool = False
) -> HttpResponse:
    email = Invitation.objects.for_actor(request.actor).shown().with_public_id(invitation_id).email
    form = OneUseForm(request.POST, request=request)
    try:
        if form.is_valid():
            with transaction.atomic():
                form.consume_token()
                change(actor=request.actor, invitation_id=invitation_id)
                if sends_mail:
                    check_mails(request, str(request.organization.pk), email)
            messages.success(request, done % {"email": email})
        else:
            messages.warning(request, _("This form was open for too long. Send it once more."))
    except AlreadySent:
        pass  # done by the first of the two
    except (Conflict, Forbidden) as error:
        messages.warning(request, str(error))
    return redirect("members", request.organization.slug)

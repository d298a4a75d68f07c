"""The page of the user's own sessions."""

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.base.requests import PortalRequest
from apps.base.web import sessions
from apps.base.web.pages import FORM_METHODS
from apps.orgs.accounts import actions
from apps.orgs.accounts.account_pages import account_page
from apps.orgs.accounts.device_names import device_name, read_stored_ip


@account_page(methods=FORM_METHODS)
def list_sessions(request: PortalRequest) -> HttpResponse:
    """List the user's sessions; sign out of one, of the others, or of all."""
    if request.method == "POST":
        return _end(request)
    rows = UserSession.objects.filter(user=request.user).order_by("-last_seen_at", "-pk")
    active_keys = set(
        Session.objects.filter(
            session_key__in=[row.session_key for row in rows], expire_date__gt=timezone.now()
        ).values_list("session_key", flat=True)
    )
    listed = [
        {
            "id": row.pk,
            "device": device_name(row.user_agent),
            "user_agent": row.user_agent,
            "address": read_stored_ip(row.ip),
            "created_at": row.created_at,
            "last_seen_at": row.last_seen_at,
            "is_current": row.session_key == request.session.session_key,
        }
        for row in rows
        if row.session_key in active_keys
    ]
    listed.sort(key=lambda row: not row["is_current"])
    return render(request, "usersessions/usersession_list.html", {"sessions": listed})


def _end(request: PortalRequest) -> HttpResponse:
    chosen = request.POST.get("session", "")
    if chosen.isascii() and chosen.isdigit() and len(chosen) < 19:
        if actions.end_session(actor=request.actor, row_id=int(chosen)):
            messages.success(request, _("That browser is signed out."))
        return redirect("usersessions_list")
    if "everywhere" in request.POST:
        actions.end_sessions(actor=request.actor)
        logout(request)
        return redirect("account_login")
    user = actions.end_sessions(actor=request.actor, keep=request.session.session_key or "")
    sessions.keep_signed_in(request, user)
    messages.success(request, _("Every other browser is signed out."))
    return redirect("usersessions_list")

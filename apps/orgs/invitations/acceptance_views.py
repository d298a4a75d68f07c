"""Pages that accept an invitation.

The token is in the URL of the first page only, which stores its digest in the session and redirects, so that no later
log, history or ``Referer`` contains it. A GET changes nothing but that session, because mail scanners follow links.
"""

from typing import Any

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.hashers import make_password
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from apps.base.actor import Actor, ActorKind
from apps.base.errors import Busy, PortalError
from apps.base.requests import PortalRequest, source_of
from apps.base.web import form_limits
from apps.base.web.one_time_secrets import busy_response
from apps.orgs.invitations import acceptance, reserved_memberships
from apps.orgs.invitations.forms import AcceptForm
from apps.orgs.mail import token_links
from apps.orgs.models import Invitation, InvitationStatus, Membership, OrganizationStatus, User

# Session key: the digest of the link's token.
DIGEST_KEY = "invitation"


@require_safe
def invitation_open(request: PortalRequest, token: str) -> HttpResponse:
    """Move the token's digest into the session and redirect to the page without it."""
    form_limits.check(request, "invitation-link", "60/m")
    digest = token_links.token_digest(token)
    if acceptance.find_invitation(digest) is None:
        return _page(request, "unknown", status=404)
    request.session[DIGEST_KEY] = digest
    response = redirect("invitation")
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "no-store, private"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def invitation(request: PortalRequest) -> HttpResponse:
    """Show the invitation and how to accept it; accept it on POST."""
    found = acceptance.find_invitation(request.session.get(DIGEST_KEY, ""))
    if found is None:
        return _page(request, "unknown", status=404)
    situation = _situation(request, found)
    if request.method == "POST":
        form_limits.check(request, "invitation-accept", "60/m")
        if situation == "other" and "sign_out" in request.POST:
            return _sign_out(request)
        if situation == "ready":
            return _accept(request, found)
        if situation == "password":
            return _accept_with_password(request, found)
    form = AcceptForm() if situation == "password" else None
    return _page(request, situation, found, form=form)


def _situation(request: PortalRequest, found: Invitation) -> str:
    """Return which variant of the page to show. The action checks the conditions again."""
    if found.state != InvitationStatus.SENT:
        return str(found.state)
    if found.organization.status == OrganizationStatus.SUSPENDED:
        return "suspended"
    owner = acceptance.account_for(found)
    if request.user.is_authenticated and request.user != owner:
        return "other"
    if acceptance.needs_password(owner, found.email):
        return "password"
    if not request.user.is_authenticated:
        return "sign_in"
    own = Membership.objects.filter(organization=found.organization, user=request.user).first()
    if own is not None and not reserved_memberships.is_promotion(found, own):
        return "member"
    return "operator" if request.user.is_staff else "ready"


def _page(
    request: PortalRequest, situation: str, found: Invitation | None = None, status: int = 200, **more: Any
) -> HttpResponse:
    next_url = reverse("invitation")
    context = {
        "situation": situation,
        "invitation": found,
        "sign_in_url": f"{reverse('account_login')}?next={next_url}",
    }
    response = render(request, "orgs/invitation.html", {**context, **more}, status=status)
    response["Cache-Control"] = "no-store, private"
    response["X-Robots-Tag"] = "noindex, nofollow"
    return response


def _sign_out(request: PortalRequest) -> HttpResponse:
    digest = request.session[DIGEST_KEY]
    logout(request)
    request.session[DIGEST_KEY] = digest
    return redirect("invitation")


def _accept(request: PortalRequest, found: Invitation) -> HttpResponse:
    try:
        membership = acceptance.accept_invitation(actor=_actor(request), digest=found.token_digest)
    except PortalError as error:
        return _page(request, "problem", found, status=error.status, problem=str(error))
    del request.session[DIGEST_KEY]
    slug = membership.organization.slug
    messages.success(request, _("You are a member of %(name)s now.") % {"name": membership.organization.name})
    return redirect("overview", slug)


def _accept_with_password(request: PortalRequest, found: Invitation) -> HttpResponse:
    form = AcceptForm(request.POST)
    if not form.is_valid():
        return _page(request, "password", found, status=422, form=form)
    try:
        password_hash = make_password(form.cleaned_data["password"])
    except Busy as error:
        form.add_error(None, str(error))
        return busy_response(_page(request, "password", found, status=429, form=form))
    account = acceptance.NewAccount(name=form.cleaned_data["name"], password_hash=password_hash)
    try:
        membership = acceptance.accept_invitation(actor=_actor(request), digest=found.token_digest, account=account)
    except PortalError as error:
        return _page(request, "problem", found, status=error.status, problem=str(error))
    logout(request)
    return _sign_in(request, membership)


def _sign_in(request: PortalRequest, membership: Membership) -> HttpResponse:
    """Sign in through allauth's stages, so that the account's second step is required here too."""
    user = User.objects.get(pk=membership.user_id)
    url = reverse("overview", args=[membership.organization.slug])
    login = Login(user=user, email=user.email, redirect_url=url)
    return perform_password_login(request, {"email": user.email}, login)


def _actor(request: PortalRequest) -> Actor:
    """Return the accepting user as an actor without an organization; without ``pk`` if not signed in."""
    user = request.user if request.user.is_authenticated else None
    return Actor(
        kind=ActorKind.USER,
        id=user.public_id if user else "",
        label=(user.name or user.email) if user else "",
        pk=user.pk if user else None,
        **source_of(request),
    )

"""Who the caller is where a session says so: pages under ``/o/<slug>/`` and the browsable API."""

from collections.abc import Callable
from datetime import timedelta

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from apps.base.actor import Actor, ActorKind
from apps.base.errors import Forbidden, Invalid, NotFound, PortalError
from apps.base.requests import PortalRequest
from apps.base.rest.request_identity import AuthResult
from apps.base.web.middleware import is_api
from apps.base.web.pages import READING
from apps.base.web.request_locale import reader_preferences
from apps.orgs.members.membership_recheck import refresh_permissions
from apps.orgs.members.membership_requirements import lacks_second_step, why_suspended
from apps.orgs.models import Membership, OrganizationStatus, Role
from apps.orgs.roles import GRANTABLE, PERMISSIONS
from apps.orgs.support_access import support_session

SEEN_EVERY = timedelta(minutes=5)
GetResponse = Callable[[PortalRequest], HttpResponse]


def actor_of(request: PortalRequest, membership: Membership) -> Actor:
    """Return the signed-in person as the actor in one organization, with the role's permissions."""
    user = membership.user
    return Actor(
        kind=ActorKind.USER,
        id=membership.user_public_id,
        label=user.name or user.email,
        organization_id=membership.organization_id,
        permissions=PERMISSIONS[membership.role],
        grantable=GRANTABLE[membership.role],
        role=membership.role,
        suspended=why_suspended(membership.organization),
        address=request.client_address,
        user_agent=request.META.get("HTTP_USER_AGENT", "")[:300],
        request_id=request.request_id,
        pk=user.pk,
        recheck=refresh_permissions,
    )


def enter_organization(request: PortalRequest, slug: str) -> HttpResponse | None:
    """Set ``request.organization``, ``.membership`` and ``.actor``, or raise NotFound for a stranger.

    An operator who began to look at the organization gets in as well, to read and nothing else. Returns where the
    member must go first, if anywhere: to the set-up of two-step sign-in, where it is required.
    """
    memberships = Membership.objects.filter(user_id=request.user.pk).select_related("organization", "user")
    found = memberships.filter(organization__slug=slug).exclude(organization__status=OrganizationStatus.CLOSED).first()
    if found is None or found.organization.is_platform:
        _enter_to_look(request, slug)
        return None
    request.membership, request.organization = found, found.organization
    request.actor = actor_of(request, found)
    if lacks_second_step(found):
        text = _("%(name)s requires two-step sign-in. Set it up first; then you are let in.")
        messages.info(request, text % {"name": found.organization.name})
        return redirect("mfa_index")
    request.session["organization"] = slug
    _note_visit(found)
    return None


def _enter_to_look(request: PortalRequest, slug: str) -> None:
    look = support_session.support_access_of(request, slug)
    if look is None:
        raise NotFound()
    if request.method not in READING:
        raise Forbidden(_("You look at this organization as an operator: you see its pages and change nothing."))
    request.look, request.organization = look, look.organization
    # Not a member: a row that is never saved, so that a page which asks for the role finds the least.
    request.membership = Membership(organization=look.organization, user=request.user, role=Role.VIEWER)
    request.actor = support_session.actor_of(request, look)
    support_session.count_page(look)


def _note_visit(membership: Membership) -> None:
    now = timezone.now()
    if membership.last_seen_at is None or membership.last_seen_at < now - SEEN_EVERY:
        Membership.objects.filter(pk=membership.pk).update(last_seen_at=now)


def actor_for_api(request: PortalRequest) -> AuthResult | None:
    """Return the session's caller for the browsable API, or None without a session.

    Acts in ``?organization=<slug>``, which a member of a single organization may leave out.
    """
    user = request.user
    if not user.is_authenticated:
        return None
    rows = Membership.objects.filter(user_id=user.pk).select_related("organization", "user")
    mine = [
        each
        for each in rows.exclude(organization__status=OrganizationStatus.CLOSED)
        if not each.organization.is_platform
    ]
    slug = request.GET.get("organization")
    chosen = [each for each in mine if each.organization.slug == slug] if slug else mine
    try:
        membership = _only(chosen, slug)
    except PortalError as refusal:
        return AuthResult(refusal=refusal)
    not_let_in = _refusal(membership)
    if not_let_in is None:
        # What the frame of its pages shows: nothing of it to somebody who is not let in.
        request.membership, request.organization = membership, membership.organization
    return AuthResult(actor=actor_of(request, membership), refusal=not_let_in)


def _only(chosen: list[Membership], slug: str | None) -> Membership:
    if len(chosen) == 1:
        return chosen[0]
    if slug or not chosen:
        raise NotFound()
    names = ", ".join(sorted(each.organization.slug for each in chosen))
    raise Invalid.field("organization", f"Say which organization: add ?organization= and one of {names}.")


def _refusal(membership: Membership) -> Forbidden | None:
    """Refuse what a key of the organization is refused, and whoever lacks the second step that it requires."""
    if membership.organization.status == OrganizationStatus.SUSPENDED:
        return Forbidden("This organization is suspended. Contact the vendor's team.", "organization_suspended")
    if lacks_second_step(membership):
        return Forbidden("This organization requires two-step sign-in. Set it up in your account first.")
    return None


class LanguageMiddleware:
    """Chooses the language of pages: the account's, else the cookie's, else the browser's; and the account's zone."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: PortalRequest) -> HttpResponse:
        if is_api(request.path_info):
            return self.get_response(request)
        language, zone = reader_preferences(request)
        with translation.override(language), timezone.override(zone):
            request.LANGUAGE_CODE = translation.get_language()
            response = self.get_response(request)
        response.headers.setdefault("Content-Language", language)
        return response

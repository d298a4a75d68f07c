"""The actor of session requests (pages under ``/o/<slug>/`` and the browsable API), and their language."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from django.contrib import messages
from django.db import connection
from django.http import HttpResponse
from django.shortcuts import redirect
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from apps.base.actor import Actor, ActorKind
from apps.base.errors import Forbidden, Invalid, NotFound, PortalError
from apps.base.requests import PortalRequest, source_of
from apps.base.rest.request_identity import AuthResult
from apps.base.web.middleware import is_api
from apps.base.web.pages import READ_METHODS
from apps.base.web.request_locale import reader_preferences
from apps.orgs.members.membership_requirements import lacks_second_step, why_suspended
from apps.orgs.models import Membership, OrganizationStatus, Role
from apps.orgs.roles import GRANTABLE, PERMISSIONS
from apps.orgs.support_access import support_session

LAST_SEEN_INTERVAL = timedelta(minutes=5)
GetResponse = Callable[[PortalRequest], HttpResponse]


def member_actor(request: PortalRequest, membership: Membership) -> Actor:
    """Return the member as the actor in the organization, with the role's permissions."""
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
        pk=user.pk,
        recheck=refresh_permissions,
        **source_of(request),
    )


def enter_organization(request: PortalRequest, slug: str) -> HttpResponse | None:
    """Set ``request.organization``, ``.membership`` and ``.actor``, or raise NotFound for a user who is no member.

    An operator with support access is admitted read-only. Returns a redirect to the setup of two-step sign-in if the
    organization requires it and the member has none.
    """
    memberships = Membership.objects.filter(user_id=request.user.pk).select_related("organization", "user")
    found = memberships.filter(organization__slug=slug).exclude(organization__status=OrganizationStatus.CLOSED).first()
    if found is None or found.organization.is_platform:
        _enter_for_support(request, slug)
        return None
    request.membership, request.organization = found, found.organization
    request.actor = member_actor(request, found)
    if lacks_second_step(found):
        text = _("%(name)s requires two-step sign-in. Set it up first; then you are let in.")
        messages.info(request, text % {"name": found.organization.name})
        return redirect("mfa_index")
    request.session["organization"] = slug
    _update_last_seen(found)
    return None


def _enter_for_support(request: PortalRequest, slug: str) -> None:
    access = support_session.support_access_of(request, slug)
    if access is None:
        raise NotFound()
    if request.method not in READ_METHODS:
        raise Forbidden(_("You look at this organization as an operator: you see its pages and change nothing."))
    request.support_access, request.organization = access, access.organization
    # Not saved: pages that read the role get the lowest one.
    request.membership = Membership(organization=access.organization, user=request.user, role=Role.VIEWER)
    request.actor = support_session.operator_actor(request, access)
    support_session.count_page(access)


def _update_last_seen(membership: Membership) -> None:
    now = timezone.now()
    if membership.last_seen_at is None or membership.last_seen_at < now - LAST_SEEN_INTERVAL:
        Membership.objects.filter(pk=membership.pk).update(last_seen_at=now)


def actor_for_api(request: PortalRequest) -> AuthResult | None:
    """Return the actor of a session for the browsable API, or None without a session.

    The organization is ``?organization=<slug>``, which members of a single organization can leave out.
    """
    user = request.user
    if not user.is_authenticated:
        return None
    rows = Membership.objects.filter(user_id=user.pk).select_related("organization", "user")
    candidates = [
        each
        for each in rows.exclude(organization__status=OrganizationStatus.CLOSED)
        if not each.organization.is_platform
    ]
    slug = request.GET.get("organization")
    chosen = [each for each in candidates if each.organization.slug == slug] if slug else candidates
    try:
        membership = _single_membership(chosen, slug)
    except PortalError as error:
        return AuthResult(refusal=error)
    refusal = _refusal(membership)
    if refusal is None:
        # The page template shows them, which a refused user must not see.
        request.membership, request.organization = membership, membership.organization
    return AuthResult(actor=member_actor(request, membership), refusal=refusal)


def _single_membership(chosen: list[Membership], slug: str | None) -> Membership:
    if len(chosen) == 1:
        return chosen[0]
    if slug or not chosen:
        raise NotFound()
    names = ", ".join(sorted(each.organization.slug for each in chosen))
    raise Invalid.field("organization", f"Say which organization: add ?organization= and one of {names}.")


def _refusal(membership: Membership) -> Forbidden | None:
    """Return why the member is refused: the organization is suspended, or the required second step is missing."""
    if membership.organization.status == OrganizationStatus.SUSPENDED:
        return Forbidden("This organization is suspended. Contact the vendor's team.", "organization_suspended")
    if lacks_second_step(membership):
        return Forbidden("This organization requires two-step sign-in. Set it up in your account first.")
    return None


class LanguageMiddleware:
    """Activates the language (of the account, else cookie, else browser) and the account's time zone."""

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


def refresh_permissions(actor: Actor) -> Actor:
    """Return the actor with the user's current role, or raise NotFound if the user was removed.

    Within a transaction the membership is locked until its end, so a concurrent change of the role comes either before
    the actor's change, which is then refused, or after it. Outside of one the role was read by this request already.
    """
    if not connection.in_atomic_block:
        return actor
    rows = Membership.objects.for_actor(actor).filter(user=actor.pk)
    rows = rows.exclude(organization__status=OrganizationStatus.CLOSED)
    if connection.vendor == "postgresql":
        rows = rows.select_for_update(no_key=True, of=("self",))
    found = rows.select_related("organization").first()
    if found is None:
        raise NotFound()
    role = found.role
    suspended = why_suspended(found.organization)
    return replace(actor, permissions=PERMISSIONS[role], grantable=GRANTABLE[role], role=role, suspended=suspended)

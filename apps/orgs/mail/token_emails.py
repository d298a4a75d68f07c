"""Mails with a token link: rendered when they are sent, so that no row contains a link.

The page that requests a mail does not look the account up, so that its response time reveals nothing about the address.
"""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.utils import timezone, translation

from apps.orgs.mail import outbox
from apps.orgs.mail.token_links import confirm_address_link, invitation_link, set_password_link
from apps.orgs.models import INVITATION_DAYS, Invitation, Membership, OrganizationStatus, OutgoingMail, Role, User
from apps.orgs.models.mail import MEMBERSHIP_OFFER

RenderedMail = tuple[str, str] | None
# Per address; a mail over the limit is queued again at the owner's next sign-in.
MAX_OFFER_MAILS_PER_HOUR = 10


def render(row: OutgoingMail) -> RenderedMail:
    """Return subject and body of a mail whose row names a template, or None if it must not be sent."""
    return RENDERERS[row.template](row)


def _password_reset(row: OutgoingMail) -> RenderedMail:
    """Return the mail to the account's primary address: a secondary one can have been added by an attacker."""
    user = User.objects.filter(pk=row.regarding).first() if row.regarding else _account_for_reset(row)
    if user is None or not user.is_active:
        return None
    return outbox.render("password_reset", {"name": user.name, "link": set_password_link(user)}, user.language)


def _account_for_reset(row: OutgoingMail) -> User | None:
    """Return the account of the address; queue mails to older accounts with another spelling of it."""
    owners = User.objects.address_owners(row.to)
    for duplicate in owners[1:]:
        outbox.enqueue_link(to=duplicate.email, template="password_reset", regarding=str(duplicate.pk))
    return owners[0] if owners else User.objects.find_by_address(row.to)


def _first_sign_in(row: OutgoingMail) -> RenderedMail:
    """Return the mail to an account whose address must be verified, after its provisional password was used."""
    user = User.objects.filter(pk=row.regarding, email=row.to, is_active=True).first()
    if user is None or not user.must_verify_address or User.objects.address_owner(row.to) is not None:
        return None
    return outbox.render("first_sign_in", {"name": user.name, "link": set_password_link(user)}, user.language)


def _confirm_address(row: OutgoingMail) -> RenderedMail:
    """Return the mail; None for an address of another account, which could never be confirmed."""
    address = EmailAddress.objects.filter(pk=row.regarding, email=row.to, verified=False).select_related("user").first()
    if address is None or User.objects.address_owner(row.to) not in (None, address.user):
        return None
    context = {"name": address.user.name, "email": address.email, "link": confirm_address_link(address)}
    return outbox.render("confirm_address", context, address.user.language)


def _invitation(row: OutgoingMail) -> RenderedMail:
    return _render_invitation(UUID(row.regarding))


def _membership_offer(row: OutgoingMail) -> RenderedMail:
    """Return the mail to the owner of an account whose address an organization added as a member.

    The link moves that membership to the owner's account. Return None if no account owns the address: then a link is
    sent at the first sign-in.
    """
    now = timezone.now()
    rows = Membership.objects.filter(user=UUID(row.regarding), user__email=row.to, user__password_is_provisional=True)
    reserved = rows.filter(organization__status=OrganizationStatus.ACTIVE).first()
    owner = User.objects.address_owner(row.to)
    if reserved is None or owner is None or owner.is_staff or not owner.is_active:
        return None
    invited = Invitation.objects.visible().acceptable(now).filter(organization=reserved.organization_id, email=row.to)
    recent = OutgoingMail.objects.filter(to=row.to, sent_at__gt=now - timedelta(hours=1), template=MEMBERSHIP_OFFER)
    if invited.exists() or recent.count() >= MAX_OFFER_MAILS_PER_HOUR:
        return None
    Invitation.objects.open().filter(membership=reserved).delete()
    invitation = Invitation.objects.create(
        membership=reserved,
        organization_id=reserved.organization_id,
        email=row.to,
        role=reserved.role,
        expires_at=now + timedelta(days=INVITATION_DAYS),
        invited_by_kind=reserved.created_by_kind,
        invited_by_id=reserved.created_by_id,
        invited_by_label=reserved.created_by_label,
    )
    return _render_invitation(invitation.pk)


def _render_invitation(invitation_id: UUID) -> RenderedMail:
    """Return the mail in the inviter's language. Each one has a new link, which replaces the previous one."""
    link = invitation_link(invitation_id, timezone.now())
    if link is None:
        return None
    invitation = Invitation.objects.select_related("organization").get(pk=invitation_id)
    inviter = Membership.objects.filter(organization=invitation.organization).with_user_id(invitation.invited_by_id)
    language = inviter.values_list("user__language", flat=True).first()
    with translation.override(language or settings.LANGUAGE_CODE):
        role = str(Role(invitation.role).label)
    context = {
        "organization": invitation.organization.name, "by": invitation.invited_by_label, "email": invitation.email,
        "role": role, "days": INVITATION_DAYS, "link": link,
    }  # fmt: skip
    return outbox.render("invitation", context, language or "")


RENDERERS: dict[str, Callable[[OutgoingMail], RenderedMail]] = {
    "password_reset": _password_reset,
    "confirm_address": _confirm_address,
    "first_sign_in": _first_sign_in,
    "invitation": _invitation,
    MEMBERSHIP_OFFER: _membership_offer,
}

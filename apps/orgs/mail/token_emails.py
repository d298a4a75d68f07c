"""Mails with a token link: rendered when they are sent, so that no row contains a link.

The page that requested one does not look the account up, so that its time reveals nothing about the address.
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

Written = tuple[str, str] | None
# Per address; a mail over the limit is queued again at the owner's next sign-in.
MAX_PLACE_MAILS_PER_HOUR = 10


def write(row: OutgoingMail) -> Written:
    """Return subject and body of a mail whose row names a template, or None if it must not be sent."""
    return WRITERS[row.template](row)


def _reset(row: OutgoingMail) -> Written:
    """Return the mail to the account's own address: anyone who knew a password can have added a further one."""
    user = User.objects.filter(pk=row.regarding).first() if row.regarding else _first_of(row)
    if user is None or not user.is_active:
        return None
    return outbox.write("password_reset", {"name": user.name, "link": set_password_link(user)}, user.language)


def _first_of(row: OutgoingMail) -> User | None:
    """Return the account of the address; queue mails to older accounts with another spelling of it."""
    owners = User.objects.owners_of(row.to)
    for twin in owners[1:]:
        outbox.enqueue_link(to=twin.email, template="password_reset", regarding=str(twin.pk))
    return owners[0] if owners else User.objects.with_address(row.to)


def _first_sign_in(row: OutgoingMail) -> Written:
    """Return the mail to an account that waits for its owner, after its provisional password was used."""
    user = User.objects.filter(pk=row.regarding, email=row.to, is_active=True).first()
    if user is None or not user.waits_for_owner or User.objects.owner_of(row.to) is not None:
        return None
    return outbox.write("first_sign_in", {"name": user.name, "link": set_password_link(user)}, user.language)


def _confirm(row: OutgoingMail) -> Written:
    """Return the mail; None for an address of another account, which could never be confirmed."""
    address = EmailAddress.objects.filter(pk=row.regarding, email=row.to, verified=False).select_related("user").first()
    if address is None or User.objects.owner_of(row.to) not in (None, address.user):
        return None
    context = {"name": address.user.name, "email": address.email, "link": confirm_address_link(address)}
    return outbox.write("confirm_address", context, address.user.language)


def _invitation(row: OutgoingMail) -> Written:
    return _invite(UUID(row.regarding))


def _place(row: OutgoingMail) -> Written:
    """Return the mail to the owner of an account whose address an organization added as a member.

    The link lets the owner take over that membership. None without an account elsewhere: then the first sign-in sends
    a link.
    """
    now = timezone.now()
    rows = Membership.objects.filter(user=UUID(row.regarding), user__email=row.to, user__password_is_provisional=True)
    reserved = rows.filter(organization__status=OrganizationStatus.ACTIVE).first()
    owner = User.objects.owner_of(row.to)
    if reserved is None or owner is None or owner.is_staff or not owner.is_active:
        return None
    invited = Invitation.objects.shown().acceptable(now).filter(organization=reserved.organization_id, email=row.to)
    recent = OutgoingMail.objects.filter(to=row.to, sent_at__gt=now - timedelta(hours=1), template="place")
    if invited.exists() or recent.count() >= MAX_PLACE_MAILS_PER_HOUR:
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
    return _invite(invitation.pk)


def _invite(invitation_id: UUID) -> Written:
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
    return outbox.write("invitation", context, language or "")


WRITERS: dict[str, Callable[[OutgoingMail], Written]] = {
    "password_reset": _reset,
    "confirm_address": _confirm,
    "first_sign_in": _first_sign_in,
    "invitation": _invitation,
    "place": _place,
}

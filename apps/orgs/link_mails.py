"""Mails with a link that lets somebody in: looked up and written when they are sent, so that no row holds a link.

The page that asked for one knows nothing of the account behind the address, not even how long it takes to look.
"""

from collections.abc import Callable
from uuid import UUID

from allauth.account.models import EmailAddress
from django.conf import settings
from django.utils import timezone, translation

from apps.base.identifiers import decode
from apps.orgs import mail
from apps.orgs.links import confirm_address_link, invitation_link, set_password_link
from apps.orgs.models import INVITATION_DAYS, Invitation, OutgoingMail, Role, User

Written = tuple[str, str] | None


def write(row: OutgoingMail) -> Written:
    """This will return subject and body of a mail whose row names a template, or None where nobody should get it."""
    return WRITERS[row.template](row)


def _reset(row: OutgoingMail) -> Written:
    """To the account's own address only: a further one may have been added by somebody who knew a password."""
    user = User.objects.with_address(row.to)
    if user is None or not user.is_active:
        return None
    return mail.write("password_reset", {"name": user.name, "link": set_password_link(user)}, user.language)


def _confirm(row: OutgoingMail) -> Written:
    """Not to an address of somebody else's account: that one could never be confirmed."""
    address = EmailAddress.objects.filter(pk=row.regarding, email=row.to, verified=False).select_related("user").first()
    if address is None or User.objects.filter(email=row.to).exclude(pk=address.user_id).exists():
        return None
    context = {"name": address.user.name, "email": address.email, "link": confirm_address_link(address)}
    return mail.write("confirm_address", context, address.user.language)


def _invitation(row: OutgoingMail) -> Written:
    """In the inviter's language. Each sending makes a link anew and ends the one before."""
    link = invitation_link(UUID(row.regarding), timezone.now())
    if link is None:
        return None
    invitation = Invitation.objects.select_related("organization").get(pk=row.regarding)
    inviter = decode(User.id_prefix, invitation.invited_by_id)
    language = User.objects.filter(pk=inviter).values_list("language", flat=True).first() if inviter else ""
    with translation.override(language or settings.LANGUAGE_CODE):
        role = str(Role(invitation.role).label)
    context = {
        "organization": invitation.organization.name, "by": invitation.invited_by_label, "email": invitation.email,
        "role": role, "days": INVITATION_DAYS, "link": link,
    }  # fmt: skip
    return mail.write("invitation", context, language or "")


WRITERS: dict[str, Callable[[OutgoingMail], Written]] = {
    "password_reset": _reset,
    "confirm_address": _confirm,
    "invitation": _invitation,
}

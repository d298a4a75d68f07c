"""Mails with a link that lets somebody in: looked up and written when they are sent, so that no row holds a link.

The page that asked for one knows nothing of the account behind the address, not even how long it takes to look.
"""

from collections.abc import Callable

from allauth.account.models import EmailAddress

from apps.orgs import mail
from apps.orgs.links import confirm_address_link, set_password_link
from apps.orgs.models import OutgoingMail, User

Written = tuple[str, str] | None


def write(row: OutgoingMail) -> Written:
    """This will return subject and body of a mail whose row names a template, or None where nobody should get it."""
    return WRITERS[row.template](row)


def _reset(row: OutgoingMail) -> Written:
    """To the account's own address only: a further one may have been added by somebody who knew a password."""
    user = User.objects.filter(email=row.to.lower(), is_active=True).first()
    if user is None:
        return None
    return mail.write("password_reset", {"name": user.name, "link": set_password_link(user)}, user.language)


def _confirm(row: OutgoingMail) -> Written:
    """Not to an address of somebody else's account: that one could never be confirmed."""
    address = EmailAddress.objects.filter(pk=row.regarding, email=row.to, verified=False).select_related("user").first()
    if address is None or User.objects.filter(email=row.to).exclude(pk=address.user_id).exists():
        return None
    context = {"name": address.user.name, "email": address.email, "link": confirm_address_link(address)}
    return mail.write("confirm_address", context, address.user.language)


WRITERS: dict[str, Callable[[OutgoingMail], Written]] = {"password_reset": _reset, "confirm_address": _confirm}

"""The end of what somebody else set on an account before the owner of its mailbox came."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db import transaction

from apps.orgs.models import ExternalIdentity, User


def end_provisional_access(user: User, *, keep_password: bool) -> None:
    """This will end everything that was set before the owner of the mailbox came, if anything was.

    Called when an address is confirmed (``keep_password=False``: the password that somebody else may know dies) and
    when the password is reset by mail (the new one stays). Sessions, passkeys, TOTP, recovery codes and further
    addresses end.
    """
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=user.pk)
        if not locked.password_is_provisional:
            return
        Authenticator.objects.filter(user=locked).delete()
        ExternalIdentity.objects.filter(user=locked).delete()
        EmailAddress.objects.filter(user=locked).exclude(email=locked.email).delete()
        locked.password_is_provisional = False
        locked.session_epoch += 1
        if not keep_password:
            locked.set_unusable_password()
        locked.save(update_fields=["password", "password_is_provisional", "session_epoch", "updated_at"])
    user.refresh_from_db()

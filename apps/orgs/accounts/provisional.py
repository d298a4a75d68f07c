"""Provisional accounts: created by someone else for an address, until the owner of the mailbox confirms it."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.base.errors import Conflict
from apps.orgs.accounts.email_addresses import account_of_address
from apps.orgs.mail import outbox
from apps.orgs.models import ExternalIdentity, Invitation, OutgoingMail, User


def end_provisional_access(user: User, *, keep_password: bool) -> None:
    """Remove what was set on a provisional account before its owner confirmed the address; others are unchanged.

    Sessions, passkeys, TOTP, recovery codes, identities and further addresses are removed and, unless
    ``keep_password``, the password, which someone else can know. The account owns its address afterward; raises
    Conflict if another account owns it by now.
    """
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=user.pk)
        if not locked.password_is_provisional:
            return
        Authenticator.objects.filter(user=locked).delete()
        ExternalIdentity.objects.filter(user=locked).delete()
        EmailAddress.objects.filter(user=locked).exclude(email=locked.email).delete()
        locked.password_is_provisional = locked.signs_in_unverified = False
        locked.session_epoch += 1
        if not keep_password:
            locked.set_unusable_password()
        _save_as_address_owner(locked)
        offer_reserved_memberships(locked)
    user.refresh_from_db()


def _save_as_address_owner(user: User) -> None:
    refusal = Conflict(_("This address belongs to another account."))
    if account_of_address(user.email) not in (None, user):
        raise refusal
    fields = ["password", "password_is_provisional", "signs_in_unverified", "session_epoch", "updated_at"]
    try:
        with transaction.atomic():
            user.save(update_fields=fields)
    except IntegrityError:
        raise refusal from None


def offer_reserved_memberships(owner: User) -> None:
    """Ask the owner of an address by mail to take over the memberships that organizations created for it.

    Memberships whose last link still works get no other one (``token_emails``).
    """
    offered = Invitation.objects.acceptable(timezone.now()).filter(membership__user=OuterRef("pk"))
    for account in User.objects.provisional_accounts(owner.email).exclude(Exists(offered)):
        if not OutgoingMail.objects.unsent_for("place", account.pk).exists():
            enqueue_membership_offer(account)


def enqueue_membership_offer(account: User) -> None:
    """Queue a mail about an account that an organization created for the address.

    It is sent only if there is an account elsewhere. That is looked up when it is sent, so that neither the response
    nor its time reveals it to the organization.
    """
    outbox.enqueue_link(to=account.email, template="place", regarding=str(account.pk))


def send_first_sign_in_link(*, user: User) -> None:
    """Mail a link by which the owner of the address verifies it and chooses a password."""
    outbox.enqueue_link(to=user.email, template="first_sign_in", regarding=str(user.pk))

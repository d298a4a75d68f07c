"""Provisional accounts, which an organization created for an address that its owner has not confirmed yet."""

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
from apps.orgs.models.mail import MEMBERSHIP_OFFER


def end_provisional_access(user: User, *, keep_password: bool) -> None:
    """Remove what was set on a provisional account before its owner confirmed the address; others are unchanged.

    Sessions, passkeys, TOTP, recovery codes, identities and secondary addresses are removed and, unless
    ``keep_password``, the password, which another user can know. The account owns its address afterward. Raises
    Conflict if another account owns it.
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
    """Mail the owner of an address an offer to take over the memberships that organizations created for it.

    A membership whose last link still works gets no new one (``token_emails``).
    """
    offered = Invitation.objects.acceptable(timezone.now()).filter(membership__user=OuterRef("pk"))
    for account in User.objects.provisional_accounts(owner.email).exclude(Exists(offered)):
        if not OutgoingMail.objects.unsent_for(MEMBERSHIP_OFFER, account.pk).exists():
            enqueue_membership_offer(account)


def enqueue_membership_offer(account: User) -> None:
    """Queue a mail that offers the membership of a provisional account to the owner of its address.

    The mail is sent only if another account owns the address. That is looked up when the mail is sent, so that neither
    the response nor its time reveals to the organization whether there is one.
    """
    outbox.enqueue_link(to=account.email, template=MEMBERSHIP_OFFER, regarding=str(account.pk))


def send_first_sign_in_link(*, user: User) -> None:
    """Mail a link by which the owner of the address verifies it and chooses a password."""
    outbox.enqueue_link(to=user.email, template="first_sign_in", regarding=str(user.pk))

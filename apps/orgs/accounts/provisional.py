"""Provisional accounts: created by someone else for an address, until the owner of the mailbox confirms it."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.base.errors import Conflict
from apps.orgs.accounts.email_addresses import account_of
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
        _save_as_owner(locked)
        request_owner_confirmation(locked)
    user.refresh_from_db()


def _save_as_owner(user: User) -> None:
    refusal = Conflict(_("This address belongs to another account."))
    if account_of(user.email) not in (None, user):
        raise refusal
    fields = ["password", "password_is_provisional", "signs_in_unverified", "session_epoch", "updated_at"]
    try:
        with transaction.atomic():
            user.save(update_fields=fields)
    except IntegrityError:
        raise refusal from None


def request_owner_confirmation(owner: User) -> None:
    """Ask the owner of an address by mail to take over the memberships that organizations created for it.

    Memberships whose last link still works get no other one (``token_emails``).
    """
    asked = Invitation.objects.acceptable(timezone.now()).filter(membership__user=OuterRef("pk"))
    for claim in User.objects.claims_on(owner.email).exclude(Exists(asked)):
        if not OutgoingMail.objects.waiting("place", claim.pk).exists():
            announce_claim(claim)


def announce_claim(claim: User) -> None:
    """Queue a mail about an account that an organization created for the address.

    It is sent only if there is an account elsewhere. That is looked up when it is sent, so that neither the response
    nor its time reveals it to the organization.
    """
    outbox.enqueue_link(to=claim.email, template="place", regarding=str(claim.pk))


def send_first_link(*, user: User) -> None:
    """Mail a link by which the owner of the address verifies it and chooses a password."""
    outbox.enqueue_link(to=user.email, template="first_sign_in", regarding=str(user.pk))

"""Changes to the user's own account: name, address, password, sessions. The actor is the user.

A change is recorded in the audit log of each of the user's organizations, and the user gets a mail about changes
that affect sign-in (docs/adr/0010).
"""

from typing import cast
from uuid import UUID

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.base.actor import Actor
from apps.base.errors import Conflict, Forbidden
from apps.base.text.email_validation import normalize_email
from apps.base.web import sessions
from apps.orgs.accounts.email_addresses import account_of_address
from apps.orgs.accounts.provisional import end_provisional_access, offer_reserved_memberships
from apps.orgs.accounts.security_events import (
    mail_account_change,
    mail_new_browser,
    publish_everywhere,
    record_everywhere,
)
from apps.orgs.mail import outbox
from apps.orgs.models import User


def lock_account(actor: Actor) -> User:
    """Lock and return the actor's own account. Call it inside the transaction of the change."""
    return User.objects.select_for_update(no_key=True).get(pk=cast(UUID, actor.pk))


@transaction.atomic
def rename_account(*, actor: Actor, name: str) -> User:
    """Change the user's name."""
    user = lock_account(actor)
    if name != user.name:
        changes = {"name": [user.name, name]}
        user.name = name
        user.save(update_fields=["name", "updated_at"])
        record_everywhere(actor, user, "user.updated", changes)
        publish_everywhere(user, "user.updated")
    return user


@transaction.atomic
def change_password(*, actor: Actor, password_hash: str) -> User:
    """Set a new password and end every session; the view renews the one of the request."""
    user = lock_account(actor)
    if user.password_is_provisional:
        # Another user can know the provisional password, and must not invalidate the links in the owner's mailbox.
        raise Forbidden(_("Confirm your address first: the page E-mail address sends the link."))
    return _set_password(actor, user, password_hash, gettext_lazy("Your password was changed"))


@transaction.atomic
def reset_password(*, actor: Actor, password_hash: str, replaces: str) -> User:
    """Set the password that was chosen through a mailed link, which also confirms the address.

    ``replaces``: the password hash that the link was created for; raises Conflict if it changed, so the link was used.
    Ends every session and provisional access; two-step sign-in stays on.
    """
    user = lock_account(actor)
    if user.password != replaces:
        raise Conflict(_("This link was used already."))
    end_provisional_access(user, keep_password=False)
    EmailAddress.objects.filter(user=user, email=user.email).update(verified=True)
    return _set_password(actor, user, password_hash, gettext_lazy("Your password was reset"))


def _set_password(actor: Actor, user: User, password_hash: str, what: Promise) -> User:
    user.password = password_hash
    user.session_epoch += 1
    user.save(update_fields=["password", "session_epoch", "updated_at"])
    sessions.end_sessions(user)
    record_everywhere(actor, user, "user.password_changed")
    mail_account_change(actor, user, what)
    return user


@transaction.atomic
def request_address_change(*, actor: Actor, email: str) -> bool:
    """Mail a link to a new address; the old one stays until the link is used. Return False for the current address.

    An address of another account is accepted too but gets no mail: the page must not reveal who has an account.
    """
    user = lock_account(actor)
    new_email = normalize_email(email)
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()
    if new_email == normalize_email(user.email):
        return False
    address = EmailAddress.objects.create(user=user, email=new_email, primary=False, verified=False)
    outbox.enqueue_link(to=new_email, template="confirm_address", regarding=str(address.pk))
    record_everywhere(actor, user, "user.email_change_asked", {"email": [user.email, new_email]})
    mail_account_change(actor, user, gettext_lazy("Somebody asked to change the address of your account"))
    return True


@transaction.atomic
def send_confirmation(*, actor: Actor) -> bool:
    """Mail the link again to the unconfirmed address: the new one, else the account's own."""
    user = lock_account(actor)
    unconfirmed = EmailAddress.objects.filter(user=user, verified=False).order_by("primary").first()
    if unconfirmed is not None:
        outbox.enqueue_link(to=unconfirmed.email, template="confirm_address", regarding=str(unconfirmed.pk))
    return unconfirmed is not None


@transaction.atomic
def cancel_address_change(*, actor: Actor) -> None:
    """Delete the new address that is not confirmed yet."""
    user = lock_account(actor)
    EmailAddress.objects.filter(user=user).exclude(email=user.email).delete()


def confirm_address(*, actor: Actor, address_id: int) -> User:
    """Confirm an address, the account's own or its new one, after its mailed link was used.

    Raises Conflict if the address was confirmed or deleted meanwhile, or belongs to another account.
    """
    try:
        with transaction.atomic():
            user = lock_account(actor)
            address = EmailAddress.objects.filter(user=user, pk=address_id, verified=False).first()
            if address is None or account_of_address(address.email) not in (None, user):
                raise Conflict(_("This address cannot be confirmed any more."))
            if address.email == user.email:
                _confirm_own_address(actor, user, address)
            else:
                _replace_address(actor, user, address)
    except IntegrityError:
        raise Conflict(_("This address cannot be confirmed any more.")) from None
    return user


def _confirm_own_address(actor: Actor, user: User, address: EmailAddress) -> None:
    address.verified = address.primary = True
    address.save(update_fields=["verified", "primary"])
    end_provisional_access(user, keep_password=False)
    record_everywhere(actor, user, "user.email_confirmed")


def _replace_address(actor: Actor, user: User, address: EmailAddress) -> None:
    """Replace the account's address, notify the old one and end every session."""
    old = user.email
    outbox.enqueue(
        to=old,
        template="address_changed",
        context={"name": user.name, "new_address": address.email},
        language=user.language,
    )
    EmailAddress.objects.filter(user=user).exclude(pk=address.pk).delete()
    address.verified = address.primary = True
    address.save(update_fields=["verified", "primary"])
    user.email = address.email
    user.session_epoch += 1
    user.address_epoch += 1
    user.save(update_fields=["email", "session_epoch", "address_epoch", "updated_at"])
    end_provisional_access(user, keep_password=False)
    offer_reserved_memberships(user)
    sessions.end_sessions(user)
    record_everywhere(actor, user, "user.email_changed", {"email": [old, user.email]})
    publish_everywhere(user, "user.updated")


@transaction.atomic
def end_sessions(*, actor: Actor, keep: str = "") -> User:
    """End every session of the account except the one with the key ``keep``."""
    user = lock_account(actor)
    user.session_epoch += 1
    user.save(update_fields=["session_epoch", "updated_at"])
    sessions.end_sessions(user, but=keep)
    record_everywhere(actor, user, "session.ended")
    return user


@transaction.atomic
def end_session(*, actor: Actor, row_id: int) -> bool:
    """End one session of the account; return whether it existed."""
    user = lock_account(actor)
    ended = sessions.end_session(user, row_id)
    if ended:
        record_everywhere(actor, user, "session.ended")
    return ended


@transaction.atomic
def record_sign_in(*, actor: Actor, methods: list[str], send_mail: bool = False) -> None:
    """Record a sign-in and its methods; ``send_mail``: also notify the account's address."""
    user = User.objects.get(pk=cast(UUID, actor.pk))
    record_everywhere(actor, user, "session.signed_in", {"method": [None, methods]})
    if send_mail:
        mail_new_browser(actor, user)


@transaction.atomic
def record_sign_out(*, actor: Actor) -> None:
    """Record a sign-out."""
    record_everywhere(actor, User.objects.get(pk=cast(UUID, actor.pk)), "session.signed_out")

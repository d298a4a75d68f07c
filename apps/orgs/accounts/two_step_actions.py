"""Changes to two-step sign-in of the user's own account: authenticator app, passkeys, recovery codes."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.base.actor import Actor
from apps.base.crypto.authenticator_secrets import encrypt_secret
from apps.base.errors import Conflict, Forbidden, NotFound
from apps.base.web import second_step, sessions
from apps.orgs.accounts.actions import lock_account
from apps.orgs.accounts.email_addresses import has_confirmed_address
from apps.orgs.accounts.security_events import mail_account_change, record_everywhere
from apps.orgs.models import User

MAX_PASSKEYS = 20


@transaction.atomic
def turn_on_totp(*, actor: Actor, secret: str, counter: int) -> list[str]:
    """Add the authenticator app; return new recovery codes if there are none yet.

    ``counter``: the time step of the code that confirmed the app, which can't be used again.
    """
    user = _lock_confirmed_account(actor)
    if Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).exists():
        raise Conflict(_("The authenticator app is on already."))
    _end_sessions_before_first(user)
    data = {"secret": encrypt_secret(secret, user.pk), "last_counter": counter}
    Authenticator.objects.create(user=user, type=Authenticator.Type.TOTP, data=data)
    record_everywhere(actor, user, "user.two_step_enabled")
    mail_account_change(actor, user, gettext_lazy("Two-step sign-in was turned on for your account"))
    return _first_recovery_codes(user)


@transaction.atomic
def turn_off_totp(*, actor: Actor) -> User:
    """Remove the authenticator app and end every session; the view renews the one of the request."""
    user = lock_account(actor)
    if not Authenticator.objects.filter(user=user, type=Authenticator.Type.TOTP).delete()[0]:
        raise Conflict(_("The authenticator app is off already."))
    _after_removal(user)
    record_everywhere(actor, user, "user.two_step_disabled")
    mail_account_change(actor, user, gettext_lazy("The authenticator app was turned off for your account"))
    return user


@transaction.atomic
def create_recovery_codes(*, actor: Actor) -> list[str]:
    """Replace the recovery codes by ten new ones. Only digests are stored."""
    user = _lock_confirmed_account(actor)
    if not second_step.is_enabled(user):
        raise Conflict(_("Set up the authenticator app or a passkey first."))
    codes = _replace_recovery_codes(user)
    record_everywhere(actor, user, "user.recovery_codes_made")
    mail_account_change(actor, user, gettext_lazy("New recovery codes were made for your account"))
    return codes


@transaction.atomic
def add_passkey(*, actor: Actor, name: str, credential: dict[str, Any]) -> list[str]:
    """Add a passkey or security key; return new recovery codes if there are none yet."""
    user = _lock_confirmed_account(actor)
    if Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN).count() >= MAX_PASSKEYS:
        raise Conflict(_("An account holds twenty passkeys at most. Remove one first."))
    _end_sessions_before_first(user)
    data = {"name": name, "credential": credential}
    Authenticator.objects.create(user=user, type=Authenticator.Type.WEBAUTHN, data=data)
    record_everywhere(actor, user, "user.passkey_added", {"passkey": [None, name]})
    mail_account_change(actor, user, gettext_lazy("A passkey was added to your account"))
    return _first_recovery_codes(user)


def find_passkey(actor: Actor, passkey_id: int) -> Authenticator:
    """Return a passkey of the actor's own account, or raise NotFound."""
    rows = Authenticator.objects.filter(user_id=actor.pk, type=Authenticator.Type.WEBAUTHN)
    found: Authenticator | None = rows.filter(pk=passkey_id).first()
    if found is None:
        raise NotFound()
    return found


@transaction.atomic
def rename_passkey(*, actor: Actor, passkey_id: int, name: str) -> None:
    """Rename a passkey."""
    user = lock_account(actor)
    row = find_passkey(actor, passkey_id)
    before, row.data["name"] = row.data.get("name", ""), name
    row.save(update_fields=["data"])
    record_everywhere(actor, user, "user.passkey_renamed", {"passkey": [before, name]})


@transaction.atomic
def remove_passkey(*, actor: Actor, passkey_id: int) -> User:
    """Remove a passkey and end every session; the view renews the one of the request."""
    user = lock_account(actor)
    row = find_passkey(actor, passkey_id)
    name = row.data.get("name", "")
    row.delete()
    _after_removal(user)
    record_everywhere(actor, user, "user.passkey_removed", {"passkey": [name, None]})
    mail_account_change(actor, user, gettext_lazy("A passkey was removed from your account"))
    return user


@transaction.atomic
def reset_two_step(*, actor: Actor, email: str) -> User:
    """Remove app, passkeys and recovery codes of a user who lost them, and end every session; the password stays.

    For operators, who must have verified the user's identity in another way.
    """
    found = User.objects.find_by_address(email)
    user = User.objects.select_for_update().filter(pk=found.pk).first() if found else None
    if user is None:
        raise NotFound(_("There is no account with this address."))
    if not Authenticator.objects.filter(user=user).delete()[0]:
        raise Conflict(_("This account has no second step."))
    _after_removal(user)
    record_everywhere(actor, user, "user.two_step_reset")
    mail_account_change(
        actor, user, gettext_lazy("The second step of sign-in was taken from your account by an operator")
    )
    return user


def _lock_confirmed_account(actor: Actor) -> User:
    """Lock the account, or raise Forbidden if its address is unconfirmed: its owner must not be locked out."""
    user = lock_account(actor)
    if user.password_is_provisional or not has_confirmed_address(user):
        raise Forbidden(_("Confirm your address first: the page E-mail address sends the link."))
    return user


def _end_sessions_before_first(user: User) -> None:
    """End the sessions that began without a second step, before the first one is added."""
    if not second_step.is_enabled(user):
        user.session_epoch += 1
        user.save(update_fields=["session_epoch", "updated_at"])
        sessions.end_sessions(user)


def _after_removal(user: User) -> None:
    if not second_step.is_enabled(user):
        Authenticator.objects.filter(user=user).delete()
    user.session_epoch += 1
    user.save(update_fields=["session_epoch", "updated_at"])
    sessions.end_sessions(user)


def _first_recovery_codes(user: User) -> list[str]:
    has_codes = Authenticator.objects.filter(user=user, type=Authenticator.Type.RECOVERY_CODES).exists()
    return [] if has_codes else _replace_recovery_codes(user)


def _replace_recovery_codes(user: User) -> list[str]:
    codes, data = second_step.new_recovery_codes()
    Authenticator.objects.update_or_create(
        user=user, type=Authenticator.Type.RECOVERY_CODES, defaults={"data": data, "last_used_at": None}
    )
    return codes

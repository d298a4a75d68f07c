"""Lookup of accounts by their identity at the identity provider, and linking at the first sign-in."""

from allauth.account.models import EmailAddress
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from apps.base.actor import Actor, ActorKind
from apps.base.errors import Conflict, Forbidden
from apps.orgs.accounts.provisional import end_provisional_access
from apps.orgs.accounts.security_events import mail_account_change, record_everywhere
from apps.orgs.models import ExternalIdentity, User


def find_or_link_identity(*, actor: Actor, issuer: str, subject: str, email: str, is_verified: bool) -> User:
    """Return the account of an identity; at its first sign-in, link it to the account with its address.

    ``is_verified``: the provider states that the address is verified. No account is created, and operators' accounts
    are always refused. Raises Forbidden with the same message for every reason, so as not to reveal accounts.
    """
    try:
        with transaction.atomic():
            user = _find_linked_user(issuer, subject) or _link_user(actor, issuer, subject, email, is_verified)
            if user.is_staff or not user.is_active:
                raise _refusal()
    except (IntegrityError, Conflict):
        raise _refusal() from None
    return user


def _find_linked_user(issuer: str, subject: str) -> User | None:
    found = ExternalIdentity.objects.select_related("user").filter(issuer=issuer, subject=subject).first()
    if found is None:
        return None
    found.last_used_at = timezone.now()
    found.save(update_fields=["last_used_at"])
    return found.user


def _link_user(actor: Actor, issuer: str, subject: str, email: str, is_verified: bool) -> User:
    found = User.objects.find_by_address(email) if email and is_verified else None
    user = User.objects.select_for_update().filter(pk=found.pk, email=found.email).first() if found else None
    if user is None or user.is_staff or not user.is_active:
        raise _refusal()
    # The provider's verification confirms the address, which ends provisional access.
    EmailAddress.objects.update_or_create(user=user, email=user.email, defaults={"verified": True, "primary": True})
    end_provisional_access(user, keep_password=False)
    ExternalIdentity.objects.create(user=user, issuer=issuer, subject=subject, last_used_at=timezone.now())
    user_actor = Actor(
        kind=ActorKind.USER,
        id=user.public_id,
        label=user.name or user.email,
        address=actor.address,
        user_agent=actor.user_agent,
        request_id=actor.request_id,
        pk=user.pk,
    )
    record_everywhere(user_actor, user, "user.identity_linked", {"issuer": [None, issuer]})
    mail_account_change(user_actor, user, gettext_lazy("Your account was opened by single sign-on for the first time"))
    return user


def _refusal() -> Forbidden:
    return Forbidden(
        _("Single sign-on opens no account here for you. Ask an owner or admin to invite you with the same address.")
    )

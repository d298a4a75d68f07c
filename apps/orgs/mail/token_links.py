"""Token links, which commands print and mails contain; they are never stored."""

import hashlib
from datetime import datetime
from uuid import UUID

from allauth.account import app_settings
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse

from apps.base.crypto.secrets import random_letters
from apps.orgs.models import Invitation, User

# 43 of 62 letters: 256 bits.
TOKEN_LENGTH = 43


def set_password_link(user: User) -> str:
    """Return a link that sets the account's password, once and within three days."""
    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(user), "key": token})
    return settings.PUBLIC_URL + path


def confirm_address_link(address: EmailAddress) -> str:
    """Return a link that confirms an address, within three days."""
    key = EmailConfirmationHMAC.create(address).key
    return settings.PUBLIC_URL + reverse("account_confirm_email", kwargs={"key": key})


def invitation_link(invitation_id: UUID, now: datetime) -> str | None:
    """Return a new link of an invitation and store its digest; None if the invitation cannot be accepted.

    Earlier links of it stop working, because only one digest is stored.
    """
    token = random_letters(TOKEN_LENGTH)
    rows = Invitation.objects.acceptable(now).filter(pk=invitation_id)
    if not rows.update(token_digest=token_digest(token)):
        return None
    return settings.PUBLIC_URL + reverse("invitation_open", args=[token])


def token_digest(token: str) -> str:
    """Return the SHA-256 of a token in hex; its 256 random bits need no key stretching."""
    return hashlib.sha256(token.encode()).hexdigest()

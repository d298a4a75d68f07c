"""Links that let somebody in, printed by commands and put into mails, and kept nowhere."""

from allauth.account import app_settings
from allauth.account.models import EmailAddress, EmailConfirmationHMAC
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.urls import reverse

from apps.orgs.models import User


def set_password_link(user: User) -> str:
    """This will return a link by which the account's owner sets a password, once and within three days."""
    token = app_settings.PASSWORD_RESET_TOKEN_GENERATOR().make_token(user)
    path = reverse("account_reset_password_from_key", kwargs={"uidb36": user_pk_to_url_str(user), "key": token})
    return settings.PUBLIC_URL + path


def confirm_address_link(address: EmailAddress) -> str:
    """This will return a link that proves who reads the mail of an address, within three days."""
    key = EmailConfirmationHMAC.create(address).key
    return settings.PUBLIC_URL + reverse("account_confirm_email", kwargs={"key": key})

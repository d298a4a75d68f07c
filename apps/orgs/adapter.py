"""Where django-allauth is told the portal's rules."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser
from django.http import HttpRequest

from apps.base.requests import PortalRequest
from apps.orgs import actions
from apps.orgs.models import User


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up is closed: accounts come by invitation, by an operator, or through the API."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """This will keep the door closed."""
        return False

    def get_client_ip(self, request: PortalRequest) -> str:
        """This will return the address that the portal's own middleware found, behind trusted proxies too."""
        return request.client_address

    def send_password_reset_mail(self, user: AbstractBaseUser, email: str, context: dict[str, Any]) -> None:
        """This will send the link to the account's own address only.

        A further address may have been added by somebody who knows a provisional password; a reset through it
        would hand them the account.
        """
        if email.lower() == user.email.lower():  # type: ignore[attr-defined]
            super().send_password_reset_mail(user, email, context)

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        """This will build links from PUBLIC_URL: a forged Host header must not reach a mail."""
        path = super().get_email_confirmation_url(request, emailconfirmation)
        return settings.PUBLIC_URL + path[path.index("/", 8) :]

    def get_reset_password_from_key_url(self, key: str) -> str:
        """This will build links from PUBLIC_URL, for the same reason."""
        url = super().get_reset_password_from_key_url(key)
        return settings.PUBLIC_URL + url[url.index("/", 8) :] if "://" in url else settings.PUBLIC_URL + url


def address_confirmed(*, email_address: EmailAddress, **_options: Any) -> None:
    """This will end what was set before the owner of the mailbox came, when the account's own address is confirmed."""
    user = User.objects.get(pk=email_address.user_id)
    if email_address.email == user.email:
        actions.end_provisional_access(user, keep_password=False)


def password_was_reset(*, user: User, **_options: Any) -> None:
    """This will take the link's arrival as proof of the address, and end what was set before."""
    EmailAddress.objects.filter(user=user, email=user.email).update(verified=True)
    actions.end_provisional_access(user, keep_password=True)

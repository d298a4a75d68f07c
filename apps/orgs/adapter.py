"""django-allauth adapters: closed sign-up, session rules, second step, notification of new browsers."""

import time
from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.auth_backends import AuthenticationBackend
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.stages import AuthenticateStage
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from apps.base.errors import RateLimited
from apps.base.requests import PortalRequest
from apps.base.web import form_limits
from apps.base.web.forms import is_recently_confirmed
from apps.orgs.accounts import actions as account_actions
from apps.orgs.accounts import known_browsers, provisional
from apps.orgs.accounts.account_actor import account_actor
from apps.orgs.accounts.device_names import stored_ip
from apps.orgs.accounts.session_middleware import STARTED_AT_KEY
from apps.orgs.models import User

# Session key that is set during the sign-in request if the browser had not signed in to this account before.
NEW_BROWSER_KEY = "new_browser"
NEW_BROWSER_MAIL_LIMIT = "10/d"
FIRST_SIGN_IN_MAIL_LIMIT = "10/h"


class AccountAdapter(DefaultAccountAdapter):
    """Closes sign-up (accounts are created by invitation, operators or the API) and records sign-ins."""

    request: PortalRequest
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _(
            "Incorrect email or password. If the password is right but the address isn't verified yet, "
            "check the inbox for a link."
        ),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Return False: there is no sign-up."""
        return False

    def is_ajax(self, request: HttpRequest) -> bool:
        """Return False, so that allauth responds with pages: its JSON contains the submitted values and passwords."""
        return False

    def get_client_ip(self, request: PortalRequest) -> str:
        """Return the address that the portal's middleware determined, as the session list stores it."""
        return stored_ip(request.client_address)

    def is_safe_url(self, url: str | None) -> bool:
        """Return whether the URL is a path of this site, without a scheme and a host."""
        return bool(url) and is_local_path(str(url))

    def is_reauthentication_required(self, *, app: str, **options: Any) -> bool:
        """Apply the portal's rule: a sign-in counts as a confirmation for 15 minutes."""
        return not is_recently_confirmed(self.request)

    def get_login_stages(self) -> list[str]:
        """Return the only stage of a sign-in: the second step."""
        return ["apps.orgs.adapter.SecondStepStage"]

    def login(self, request: PortalRequest, user: User) -> None:
        """Open the session under a new key and store when it began.

        Refuses an account whose address must be verified first, whatever the sign-in method. Otherwise a passkey,
        single sign-on or a pending second step would give access to a user who had the account before its address was
        changed.
        """
        if user.must_verify_address:
            _send_first_sign_in_link(request, user)
            message = _("The email address of this account is not verified yet. Open the link that we sent to it.")
            refusal = render(request, "account/sign_on_failed.html", {"message": message}, status=403)
            raise ImmediateHttpResponse(refusal)
        # The first sign-in is not reported as a new browser: it follows a link that was mailed to the user.
        is_new_browser = user.last_login is not None and not known_browsers.is_known(request, user)
        super().login(request, user)
        request.session[STARTED_AT_KEY] = time.time()
        if is_new_browser:
            request.session[NEW_BROWSER_KEY] = True

    def post_login(self, request: PortalRequest, user: User, **options: Any) -> HttpResponse:
        """Record the sign-in, notify the owner of a new browser, and redirect."""
        methods = [_method(record) for record in get_authentication_records(request, user)]
        is_new_browser = bool(request.session.pop(NEW_BROWSER_KEY, False))
        send_mail = is_new_browser and _can_mail(request, user, "new-browser-mails", NEW_BROWSER_MAIL_LIMIT)
        provisional.offer_reserved_memberships(user)
        account_actions.record_sign_in(actor=account_actor(request, user), methods=methods, send_mail=send_mail)
        response = super().post_login(request, user, **options)
        known_browsers.remember(request, response, user)
        return response

    def logout(self, request: PortalRequest) -> None:
        """Record the sign-out and end the session."""
        if request.user.is_authenticated:
            account_actions.record_sign_out(actor=account_actor(request, request.user))
        super().logout(request)


def _can_mail(request: PortalRequest, user: User, group: str, rate: str) -> bool:
    """Return whether the rate limit allows another mail, so that repeated sign-ins do not fill the mailbox."""
    try:
        form_limits.check(request, group, rate, per=f"account {user.pk}")
    except RateLimited:
        return False
    return True


def _send_first_sign_in_link(request: PortalRequest | None, user: User) -> None:
    if request is None or _can_mail(request, user, "first-links", FIRST_SIGN_IN_MAIL_LIMIT):
        provisional.send_first_sign_in_link(user=user)


def is_local_path(url: str) -> bool:
    """Return whether a URL is a path of this site in every browser; some read a backslash as a slash."""
    plain = url.startswith("/") and "\\" not in url and url.isprintable()
    return plain and url_has_allowed_host_and_scheme(url, allowed_hosts=None)


def _method(record: dict[str, Any]) -> str:
    return str(record.get("type") or record["method"])


class Backend(AuthenticationBackend):
    """Authenticates by the primary address only: an unconfirmed secondary address can belong to someone else."""

    def authenticate(self, request: PortalRequest | None, **credentials: Any) -> AbstractBaseUser | None:
        """Return the account, or None if its address must be verified first; the right password then mails a link.

        The response is the same as for a wrong password, so it does not reveal that there is an account.
        """
        user = super().authenticate(request, **credentials)
        if not isinstance(user, User) or not user.must_verify_address:
            return user
        _send_first_sign_in_link(request, user)
        return None

    def _authenticate_by_email(self, email: str, password: str) -> AbstractBaseUser | None:
        # Usually one account; older ones whose addresses differ only in spelling each have their own password. Only one
        # provisional account is checked, so that the response time does not reveal how many there are.
        accounts: list[User | None] = [*User.objects.address_owners(email)] or [
            User.objects.provisional_accounts(email).first()
        ]
        return next(filter(None, (self._check_password(account, password) for account in accounts)), None)


class SecondStepStage(AuthenticateStage):
    """The second step, skipped if the identity provider states that it did one itself."""

    def _should_handle(self, request: HttpRequest) -> bool:
        records = get_authentication_records(request, self.login.user)
        if any(record["method"] == "openid" and record.get("mfa") for record in records):
            return False
        return super()._should_handle(request)


class MfaAdapter(DefaultMFAAdapter):
    """Binds passkeys to the portal's public URL, whatever host a request names."""

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return the relying party (Web Authentication section 5.4.2)."""
        return {"id": urlsplit(settings.PUBLIC_URL).hostname or "", "name": settings.MFA_TOTP_ISSUER}

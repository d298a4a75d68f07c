"""Where django-allauth is told the portal's rules."""

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
from apps.orgs.accounts.device_names import stored_address
from apps.orgs.models import User

# In the session: when it began. It ends thirty days later, however much it is used.
BEGAN = "began"
# In the session, between two steps of one request: the browser had not signed in to this account before.
NEWS = "new_browser"
NEWS_MAILS = "10/d"
FIRST_LINKS = "10/h"


class AccountAdapter(DefaultAccountAdapter):
    """Sign-up is closed: accounts come by invitation, by an operator, or through the API."""

    request: PortalRequest
    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "email_password_mismatch": _(
            "Incorrect email or password. If the password is right but the address isn't verified yet, "
            "check the inbox for a link."
        ),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Keep the door closed."""
        return False

    def is_ajax(self, request: HttpRequest) -> bool:
        """Answer everybody with pages: allauth's JSON repeats what was typed, passwords included."""
        return False

    def get_client_ip(self, request: PortalRequest) -> str:
        """Return the address that the portal's own middleware found, as the list of sessions keeps it."""
        return stored_address(request.client_address)

    def is_safe_url(self, url: str | None) -> bool:
        """Lead to paths of this site only: no host, not even its own, and no other scheme."""
        return bool(url) and is_own_path(str(url))

    def is_reauthentication_required(self, *, app: str, **options: Any) -> bool:
        """Go by the portal's one rule: a sign-in counts as a confirmation for 15 minutes."""
        return not is_recently_confirmed(self.request)

    def get_login_stages(self) -> list[str]:
        """Ask for the second step and for nothing else on the way in."""
        return ["apps.orgs.adapter.SecondStepStage"]

    def login(self, request: PortalRequest, user: User) -> None:
        """Open the session, under a new key, and note when it began.

        Whatever the way in: a passkey, single sign-on or a second step that was waiting would open it to whoever had
        the account before its address was changed.
        """
        if user.waits_for_owner:
            _send_first_link(request, user)
            said = _("The email address of this account is not verified yet. Open the link that we sent to it.")
            refusal = render(request, "account/sign_on_failed.html", {"message": said}, status=403)
            raise ImmediateHttpResponse(refusal)
        # Of a first sign-in everybody knows: the mail before it led here.
        is_news = user.last_login is not None and not known_browsers.is_known(request, user)
        super().login(request, user)
        request.session[BEGAN] = time.time()
        if is_news:
            request.session[NEWS] = True

    def post_login(self, request: PortalRequest, user: User, **options: Any) -> HttpResponse:
        """Record the sign-in and lead on."""
        methods = [_method(record) for record in get_authentication_records(request, user)]
        is_news = bool(request.session.pop(NEWS, False))
        tell = is_news and _may_mail(request, user, "new-browser-mails", NEWS_MAILS)
        provisional.request_owner_confirmation(user)
        account_actions.note_sign_in(actor=account_actor(request, user), methods=methods, tell=tell)
        response = super().post_login(request, user, **options)
        known_browsers.remember(request, response, user)
        return response

    def logout(self, request: PortalRequest) -> None:
        """Record the sign-out and end the session."""
        if request.user.is_authenticated:
            account_actions.note_sign_out(actor=account_actor(request, request.user))
        super().logout(request)


def _may_mail(request: PortalRequest, user: User, group: str, rate: str) -> bool:
    """Whoever has the password must not fill the owner's mailbox by signing in again and again."""
    try:
        form_limits.check(request, group, rate, per=f"account {user.pk}")
    except RateLimited:
        return False
    return True


def _send_first_link(request: PortalRequest | None, user: User) -> None:
    if request is None or _may_mail(request, user, "first-links", FIRST_LINKS):
        provisional.send_first_link(user=user)


def is_own_path(url: str) -> bool:
    """Tell whether a text is a path of this site that a browser cannot take for anything else."""
    plain = url.startswith("/") and "\\" not in url and url.isprintable()
    return plain and url_has_allowed_host_and_scheme(url, allowed_hosts=None)


def _method(record: dict[str, Any]) -> str:
    return str(record.get("type") or record["method"])


class Backend(AuthenticationBackend):
    """Signs in by the account's own address: a further one may be somebody else's, and nobody has confirmed it."""

    def authenticate(self, request: PortalRequest | None, **credentials: Any) -> AbstractBaseUser | None:
        """Return the account; of one that waits for its owner none: the right password sends a link to the address.

        The page says the same as to a wrong password, and a stranger learns nothing more.
        """
        user = super().authenticate(request, **credentials)
        if not isinstance(user, User) or not user.waits_for_owner:
            return user
        _send_first_link(request, user)
        return None

    def _authenticate_by_email(self, email: str, password: str) -> AbstractBaseUser | None:
        # One account, but for two of before whose addresses differ in the spelling alone: each has its own password.
        # Of those that only claim the address one is looked at: how many there are must not show in the time it takes.
        accounts: list[User | None] = [*User.objects.owners_of(email)] or [User.objects.claims_on(email).first()]
        return next(filter(None, (self._check_password(account, password) for account in accounts)), None)


class SecondStepStage(AuthenticateStage):
    """The second step: asked of everybody who has one, unless the identity provider says that it asked itself."""

    def _should_handle(self, request: HttpRequest) -> bool:
        records = get_authentication_records(request, self.login.user)
        if any(record["method"] == "openid" and record.get("mfa") for record in records):
            return False
        return super()._should_handle(request)


class MfaAdapter(DefaultMFAAdapter):
    """Passkeys belong to the portal's public address, whatever host a request names."""

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Return who asks for a passkey (Web Authentication section 5.4.2)."""
        return {"id": urlsplit(settings.PUBLIC_URL).hostname or "", "name": settings.MFA_TOTP_ISSUER}

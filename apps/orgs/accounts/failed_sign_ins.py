"""Failed sign-ins: counted, recorded in groups, and mailed to the account's owner if codes are guessed.

To keep the log small, only the first, tenth, hundredth … failure of an account and network within an hour is recorded.
Nothing that was typed is stored: users type passwords into the wrong field.
"""

from dataclasses import replace
from enum import StrEnum

from prometheus_client import Counter

from apps.base.actor import Actor, system
from apps.base.errors import RateLimited
from apps.base.requests import PortalRequest, source_of
from apps.base.web import form_limits, second_step
from apps.base.web.client_address import rate_limit_address
from apps.orgs.accounts import security_events
from apps.orgs.accounts.account_actor import account_actor
from apps.orgs.models import User

FAILURES = Counter("portal_sign_in_failures_total", "Refused sign-ins and confirmations, by the wrong step.", ["step"])
# Rates that are never reached, for counting.
PER_HOUR, PER_DAY = "1000000/h", "1000000/d"
# Maximum entries per hour for addresses without an account, for all clients together.
MAX_UNKNOWN_PER_HOUR = 100
MAIL_AT_COUNTS = (5, 50, 500)
MAIL_LIMIT = "3/d"


class Step(StrEnum):
    """The step that failed; the values are those of the metric's label."""

    PASSWORD = "password"  # noqa: S105 - a word
    TOTP = "totp"
    RECOVERY_CODE = "recovery_code"
    PASSKEY = "passkey"
    SINGLE_SIGN_ON = "single_sign_on"
    CONFIRMATION = "confirmation"


# Created before the first scrape, so that the first failure shows as an increase.
for each in Step:
    FAILURES.labels(each)


def record_failure(request: PortalRequest, step: Step, user: User | None = None) -> None:
    """Count a failed sign-in; record it if it is the first, tenth, hundredth … of its group within an hour."""
    FAILURES.labels(step).inc()
    who = f"account {user.pk}" if user else "nobody"
    group = f"{who} {rate_limit_address(request.client_address)} {step}"
    count = form_limits.count(request, "failed-sign-ins", PER_HOUR, per=group)
    if count not in (10**power for power in range(7)):
        return
    if (
        user is None
        and form_limits.count(request, "failed-sign-ins-of-nobody", PER_HOUR, per="all") > MAX_UNKNOWN_PER_HOUR
    ):
        return
    security_events.record_failed_sign_in(actor=_actor(request, step, user), user=user, step=step, count=count)


def record_wrong_password(request: PortalRequest, user: User | None) -> None:
    """Record a wrong password, or any password for an address without an account that can sign in."""
    record_failure(request, Step.PASSWORD, user)


def record_wrong_code(request: PortalRequest, user: User, code: str) -> None:
    """Record a wrong code after a right password; from the fifth within a day the account's owner gets mails."""
    step = Step.TOTP if second_step.looks_like_totp(code) else Step.RECOVERY_CODE
    record_failure(request, step, user)
    count = form_limits.count(request, "wrong-codes", PER_DAY, per=f"account {user.pk}")
    if count in MAIL_AT_COUNTS or second_step.is_blocked(user):
        _mail(request, user)


def record_wrong_confirmation(request: PortalRequest) -> None:
    """Record a wrong password or code of a signed-in user who was asked to confirm their identity."""
    user: User = request.user
    record_failure(request, Step.CONFIRMATION, user)
    if second_step.is_blocked(user):
        _mail(request, user)


def _actor(request: PortalRequest, step: Step, user: User | None) -> Actor:
    """Return the actor of the entry: the user who confirms their identity, or the system for a failed sign-in."""
    if step == Step.CONFIRMATION and user is not None:
        return account_actor(request, user)
    return replace(system(label="Sign-in"), **source_of(request))


def _mail(request: PortalRequest, user: User) -> None:
    try:
        form_limits.check(request, "wrong-code-mails", MAIL_LIMIT, per=f"account {user.pk}")
    except RateLimited:
        return
    security_events.mail_wrong_codes(actor=_actor(request, Step.TOTP, None), user=user)

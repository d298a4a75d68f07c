"""Two-step verification codes: each is accepted once, and failed attempts are limited across sessions and processes.

django-allauth records used codes and failures in the cache: per process without Redis, and a 500 while Redis is down.
Here both are in the authenticator's row, under its lock.
"""

import logging
import re
import secrets
import time
from typing import Any

from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.db import transaction
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _

from apps.base.crypto.authenticator_secrets import decrypt_secret, encrypt_secret, is_plaintext
from apps.base.crypto.encrypted_fields import CannotDecrypt
from apps.base.crypto.secrets import current_pepper, digest, matches
from apps.base.errors import RateLimited

logger = logging.getLogger(__name__)

STEP_SECONDS = 30
# RFC 6238 section 5.2: one step either way, for clocks that differ and people who type slowly.
ALLOWED_DRIFT = 1
MAX_FAILURES, FAILURE_WINDOW_SECONDS = 5, 300
RECOVERY_CODES = 10
# Crockford's base 32, without look-alike letters. Ten of them are 50 bits.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
HALF_LENGTH = 5
TOTP_PATTERN = re.compile(r"[0-9]{6}", re.ASCII)
RECOVERY_PATTERN = re.compile(rf"[{ALPHABET}]{{{2 * HALF_LENGTH}}}|[0-9]{{8}}", re.ASCII)
SECOND_STEP_TYPES = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)


def is_enabled(user: Any) -> bool:
    """Return whether an account has two-step verification; recovery codes alone don't count."""
    return Authenticator.objects.filter(user_id=user.pk, type__in=SECOND_STEP_TYPES).exists()


def looks_like_code(text: str) -> bool:
    """Return whether a text has the form of a code, so that mistyped passwords don't count as failed codes."""
    code = _normalized(text)
    return bool(TOTP_PATTERN.fullmatch(code) or RECOVERY_PATTERN.fullmatch(code))


def looks_like_totp(text: str) -> bool:
    """Return whether a text has the form of an authenticator app's code."""
    return bool(TOTP_PATTERN.fullmatch(_normalized(text)))


def check_not_blocked(user: Any) -> None:
    """Raise RateLimited for some minutes after too many wrong codes."""
    rows = Authenticator.objects.filter(user_id=user.pk).exclude(type=Authenticator.Type.WEBAUTHN).order_by("pk")
    first = rows.first()
    if first is not None:
        _check_failures(_recent_failures(first))


def is_blocked(user: Any) -> bool:
    """Return whether codes are refused for a while."""
    try:
        check_not_blocked(user)
    except RateLimited:
        return True
    return False


def use_code(user: Any, text: str) -> Authenticator | None:
    """Consume a code of the authenticator app or a recovery code and return its authenticator, or None.

    Raises RateLimited after five wrong codes within five minutes. Do not call it within a transaction that can be
    rolled back: the failure would not be counted.
    """
    code = _normalized(text)
    with transaction.atomic():
        rows = Authenticator.objects.select_for_update().filter(user_id=user.pk).order_by("pk")
        found = [row for row in rows if row.type != Authenticator.Type.WEBAUTHN]
        if not found:
            return None
        failures = _recent_failures(found[0])
        _check_failures(failures)
        used = next((row for row in found if _use(row, code)), None)
        if used is None:
            found[0].data["failed_at"] = [*failures, time.time()]
            found[0].save(update_fields=["data"])
    return used


def _check_failures(failures: list[float]) -> None:
    if len(failures) >= MAX_FAILURES:
        wait = max(1, int(failures[0] + FAILURE_WINDOW_SECONDS - time.time()) + 1)
        raise RateLimited(_("Too many wrong codes. Try again in %(count)d seconds.") % {"count": wait}, wait)


def _normalized(text: str) -> str:
    return text.strip().lower().replace(" ", "").replace("-", "")


def _recent_failures(row: Authenticator) -> list[float]:
    return [at for at in row.data.get("failed_at", []) if at > time.time() - FAILURE_WINDOW_SECONDS]


def _use(row: Authenticator, code: str) -> bool:
    """Consume a code of one authenticator, whose row the caller has locked."""
    is_totp = row.type == Authenticator.Type.TOTP
    if not (_use_totp(row, code) if is_totp else _use_recovery(row, code)):
        return False
    row.data.pop("failed_at", None)
    row.save(update_fields=["data"])
    return True


def _use_totp(row: Authenticator, code: str) -> bool:
    """Consume a TOTP code: each is accepted once, and none older than the last accepted one (RFC 6238 section 5.2)."""
    if not TOTP_PATTERN.fullmatch(code):
        return False
    try:
        secret = decrypt_secret(row)
    except CannotDecrypt as error:
        # Recovery codes and passkeys still work. rotate_encryption_key and the worker name the missing key.
        logger.critical("the secret of an authenticator app does not open: %s", error)
        return False
    counter = matching_counter(secret, code)
    if counter is None or counter <= row.data.get("last_counter", 0):
        return False
    row.data["last_counter"] = counter
    if is_plaintext(row.data["secret"]):
        row.data["secret"] = encrypt_secret(secret, row.user_id)
    return True


def matching_counter(secret: str, code: str) -> int | None:
    """Return the time step that a code of a secret belongs to, or None."""
    now = int(time.time()) // STEP_SECONDS
    steps = range(now - ALLOWED_DRIFT, now + ALLOWED_DRIFT + 1)
    fits = [step for step in steps if constant_time_compare(format_hotp_value(hotp_value(secret, step)), code)]
    return fits[-1] if fits else None


def _use_recovery(row: Authenticator, code: str) -> bool:
    stored = recovery_digests(row)
    remaining = [each for each in stored if not matches(code, each[1], each[0])]
    if not RECOVERY_PATTERN.fullmatch(code) or len(remaining) == len(stored):
        return False
    row.data = {"digests": remaining}
    return True


def recovery_digests(row: Authenticator) -> list[list[str]]:
    """Return ``[pepper id, digest]`` of each unused code; rows that allauth wrote have a seed instead."""
    if "seed" in row.data:
        return [_digest_of(code) for code in RecoveryCodes(row).get_unused_codes()]
    return list(row.data.get("digests", []))


def new_recovery_codes() -> tuple[list[str], dict[str, Any]]:
    """Return ten recovery codes to show once, and the data to store: their keyed digests."""
    codes = ["".join(secrets.choice(ALPHABET) for _letter in range(2 * HALF_LENGTH)) for _code in range(RECOVERY_CODES)]
    return [f"{code[:HALF_LENGTH]}-{code[HALF_LENGTH:]}" for code in codes], {
        "digests": [_digest_of(code) for code in codes]
    }


def _digest_of(code: str) -> list[str]:
    pepper = current_pepper()
    return [pepper, digest(code, pepper)]

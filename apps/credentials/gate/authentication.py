"""Authentication of API requests by key: reads the key from the headers and checks it."""

import base64
from typing import Any

from django.conf import settings

from apps.base.errors import PortalError, RateLimited, Unauthorized
from apps.base.requests import PortalRequest
from apps.base.rest.request_identity import AuthResult
from apps.base.web.client_address import rate_limit_address
from apps.credentials.gate import key_check, key_hints, rate_limits
from apps.credentials.gate.rate_limits import Window

SCHEMES = ("bearer", "x-api-key")
# A credential that was sent but is empty here: the server passes on bytes outside ASCII this way.
UNREADABLE = ""


def sent_keys(headers: dict[str, Any]) -> set[str]:
    """Return the different keys in ``Authorization`` (Bearer, x-api-key or Basic) and ``X-API-Key``.

    A repeated header arrives joined by commas (RFC 9110 section 5.3), which no key contains. An empty part does not
    count as an absent header: the server passes on bytes outside ASCII this way.
    """
    given = headers.get("HTTP_X_API_KEY")
    found = set() if given is None else {part.strip() for part in given.split(",")}
    given = headers.get("HTTP_AUTHORIZATION")
    for part in () if given is None else given.split(","):
        scheme, _, credential = part.strip().partition(" ")
        scheme = scheme.lower()
        if not scheme:
            found.add(UNREADABLE)
        elif scheme in SCHEMES and credential:
            found.add(credential.strip())
        elif scheme == "basic":
            found |= _keys_in_basic_auth(credential)
    return found


def _keys_in_basic_auth(credential: str) -> set[str]:
    """Return the key that Basic (RFC 7617) carries as user name or password, ignoring other credentials.

    Some clients omit the padding, or encode the other part in a charset other than UTF-8.
    """
    code = credential.strip().rstrip("=")
    try:
        pair = base64.b64decode(code + "=" * (-len(code) % 4), validate=True).decode(errors="replace")
    except ValueError:
        return set()
    return {part.strip() for part in pair.partition(":")[::2] if key_hints.PREFIX.search(part)}


def authenticate(request: PortalRequest) -> AuthResult | None:
    """Return the result of checking the key in a request, or None where no key was sent."""
    keys = sent_keys(request.META)
    if not keys:
        return None
    if UNREADABLE in keys:
        return AuthResult(refusal=count_failed_authentication(request.client_address) or _unreadable(request.META))
    if len(keys) > 1:
        # A token for another system, such as a proxy's JSON Web Token, is ignored beside a key.
        keys = {key for key in keys if key_hints.PREFIX.search(key) or not key.isascii()} or keys
    if len(keys) > 1:
        message = "Two different API keys were sent. Send one, in one header."
        return AuthResult(refusal=PortalError(message, "ambiguous_credentials"))
    sent = keys.pop()
    found = key_check.check(sent, request.client_address)
    auth = AuthResult(refusal=found.refusal, headers=rate_limits.headers(found.states), credential=found.key)
    if found.refusal is not None and found.refusal.status == 401:
        auth.refusal = count_failed_authentication(request.client_address) or _with_hint(found.refusal, sent)
    if found.key is not None:
        agent = request.META.get("HTTP_USER_AGENT", "")[:300]
        auth.actor = key_check.actor_of(found.key, request.client_address, agent, request.request_id)
    request.limit_states = found.states
    if auth.refusal is None:
        auth.refund = refund
    return auth


def refund(request: PortalRequest) -> None:
    """Refund a request that a further limit refused, on every limit that counted it."""
    request.limit_states = (*rate_limits.refund(request.limit_states), *request.auth_result.exceeded_limits)
    request.auth_result.headers = rate_limits.headers(request.limit_states)


def _unreadable(headers: dict[str, Any]) -> Unauthorized:
    given = headers.get("HTTP_X_API_KEY")
    is_x_api_key = given is not None and not all(map(str.strip, given.split(",")))
    return Unauthorized(key_hints.UNREADABLE % ("X-API-Key" if is_x_api_key else "Authorization"), "invalid_api_key")


def _with_hint(refusal: PortalError, text: str) -> PortalError:
    """Add a hint to the refusal of a text that is not a key; well-formed keys, known or not, get none."""
    sentence = key_hints.hint(text) if refusal.code == "invalid_api_key" else ""
    return Unauthorized(f"{refusal.message} {sentence}", refusal.code) if sentence else refusal


def count_failed_authentication(address: str) -> RateLimited | None:
    """Count a failed authentication and return the 429 that replaces the 401 where there were too many."""
    if settings.AUTH_FAILURES_PER_MINUTE == 0:
        return None
    window = Window("failures", f"fail:{rate_limit_address(address)}", settings.AUTH_FAILURES_PER_MINUTE, 60)
    decision = rate_limits.consume([window])
    if decision.allowed:
        return None
    wait = decision.retry_after
    return RateLimited(f"Too many failing authentications from this address. Try again in {wait} seconds.", wait)

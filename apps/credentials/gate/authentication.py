"""From headers to a caller: which key was sent, and what the gate says of it."""

import base64
from typing import Any

from django.conf import settings

from apps.base.errors import PortalError, RateLimited, Unauthorized
from apps.base.requests import PortalRequest
from apps.base.rest.request_identity import AuthResult
from apps.base.web.client_address import address_network
from apps.credentials.gate import key_check, key_hints, rate_limits
from apps.credentials.gate.rate_limits import Window

SCHEMES = ("bearer", "x-api-key")
# Among the texts of credentials: one that was sent, and that the server could not hand over or that says nothing.
UNREADABLE = ""


def sent_keys(headers: dict[str, Any]) -> set[str]:
    """Return the different keys in ``Authorization`` (Bearer, x-api-key or Basic) and ``X-API-Key``.

    A header that was sent twice arrives joined by a comma (RFC 9110 section 5.3); no key holds one. An empty part is
    never taken for a header that was left out: that is how the server hands over bytes outside ASCII.
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
            found |= _keys_of_basic(credential)
    return found


def _keys_of_basic(credential: str) -> set[str]:
    """Return the key that Basic (RFC 7617) carries as user name or password; any other pair is none of ours.

    Some leave the padding out, or write what stands beside the key in another charset than UTF-8.
    """
    code = credential.strip().rstrip("=")
    try:
        pair = base64.b64decode(code + "=" * (-len(code) % 4), validate=True).decode(errors="replace")
    except ValueError:
        return set()
    return {part.strip() for part in pair.partition(":")[::2] if key_hints.PREFIX.search(part)}


def authenticate(request: PortalRequest) -> AuthResult | None:
    """Return the caller behind a key, with its refusal where there is one; None where no key was sent."""
    keys = sent_keys(request.META)
    if not keys:
        return None
    if UNREADABLE in keys:
        return AuthResult(refusal=count_failed_authentication(request.client_address) or _unreadable(request.META))
    if len(keys) > 1:
        # A token for somebody else, such as a proxy's JSON Web Token, stands in nobody's way.
        keys = {key for key in keys if key_hints.PREFIX.search(key) or not key.isascii()} or keys
    if len(keys) > 1:
        message = "Two different API keys were sent. Send one, in one header."
        return AuthResult(refusal=PortalError(message, "ambiguous_credentials"))
    text = keys.pop()
    verdict = key_check.check(text, request.client_address)
    caller = AuthResult(refusal=verdict.refusal, headers=rate_limits.headers(verdict.states), credential=verdict.key)
    if verdict.refusal is not None and verdict.refusal.status == 401:
        caller.refusal = count_failed_authentication(request.client_address) or _explained(verdict.refusal, text)
    if verdict.key is not None:
        agent = request.META.get("HTTP_USER_AGENT", "")[:300]
        caller.actor = key_check.actor_of(verdict.key, request.client_address, agent, request.request_id)
    request.limit_states = verdict.states
    if caller.refusal is None:
        caller.refund = refund
    return caller


def refund(request: PortalRequest) -> None:
    """Uncount a call that a further limit refused, on every limit that it was counted on; it costs nothing."""
    request.limit_states = (*rate_limits.refund(request.limit_states), *request.caller.exceeded_limits)
    request.caller.headers = rate_limits.headers(request.limit_states)


def _unreadable(headers: dict[str, Any]) -> Unauthorized:
    given = headers.get("HTTP_X_API_KEY")
    is_in_own = given is not None and not all(map(str.strip, given.split(",")))
    return Unauthorized(key_hints.UNREADABLE % ("X-API-Key" if is_in_own else "Authorization"), "invalid_api_key")


def _explained(refusal: PortalError, text: str) -> PortalError:
    """Return the refusal with what was seen where the text is no key at all; of keys, known or not, nothing is said."""
    sentence = key_hints.hint(text) if refusal.code == "invalid_api_key" else ""
    return Unauthorized(f"{refusal.message} {sentence}", refusal.code) if sentence else refusal


def count_failed_authentication(address: str) -> RateLimited | None:
    """Count a failing authentication and return the 429 that replaces it where there were too many."""
    if settings.AUTH_FAILURES_PER_MINUTE == 0:
        return None
    window = Window("failures", f"fail:{address_network(address)}", settings.AUTH_FAILURES_PER_MINUTE, 60)
    decision = rate_limits.consume([window])
    if decision.allowed:
        return None
    wait = decision.retry_after
    return RateLimited(f"Too many failing authentications from this address. Try again in {wait} seconds.", wait)

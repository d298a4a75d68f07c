"""From headers to a caller: which key was sent, and what the gate says of it."""

from typing import Any

from django.conf import settings

from apps.base.callers import Caller
from apps.base.errors import PortalError, RateLimited
from apps.base.requests import PortalRequest
from apps.credentials import gate, limits
from apps.credentials.limits import Window

SCHEMES = ("bearer", "x-api-key")


def sent_keys(headers: dict[str, Any]) -> set[str]:
    """This will return the different keys in ``Authorization`` (Bearer or x-api-key) and ``X-API-Key``.

    A header that was sent twice arrives joined by a comma (RFC 9110 section 5.3); no key holds one.
    """
    given = headers.get("HTTP_X_API_KEY")
    found = {part.strip() for part in given.split(",")} if given else set()
    for part in headers.get("HTTP_AUTHORIZATION", "").split(","):
        scheme, _, credential = part.strip().partition(" ")
        if scheme.lower() in SCHEMES:
            found.add(credential.strip())
    return found - {""}


def authenticate(request: PortalRequest) -> Caller | None:
    """This will return the caller behind a key, with its refusal where there is one; None where no key was sent."""
    keys = sent_keys(request.META)
    if not keys:
        return None
    if len(keys) > 1:
        message = "Two different API keys were sent. Send one, in one header."
        return Caller(refusal=PortalError(message, "ambiguous_credentials", 400))
    verdict = gate.check(keys.pop(), request.client_address)
    caller = Caller(refusal=verdict.refusal, headers=limits.headers(verdict.states), credential=verdict.key)
    if verdict.refusal is not None and verdict.refusal.status == 401:
        caller.refusal = limit_failures(request.client_address) or verdict.refusal
    if verdict.key is not None:
        agent = request.META.get("HTTP_USER_AGENT", "")[:300]
        caller.actor = gate.actor_of(verdict.key, request.client_address, agent, request.request_id)
    request.limit_states = verdict.states
    if caller.refusal is None:
        caller.give_back = give_back
    return caller


def give_back(request: PortalRequest) -> None:
    """Uncount a call that a further limit refused, on every limit that it was counted on; it costs nothing."""
    request.limit_states = (*limits.give_back(request.limit_states), *request.caller.refused_by)
    request.caller.headers = limits.headers(request.limit_states)


def limit_failures(address: str) -> RateLimited | None:
    """This will count a failing authentication and return the 429 that replaces it where there were too many."""
    if settings.AUTH_FAILURES_PER_MINUTE == 0:
        return None
    window = Window("failures", f"fail:{limits.neighbourhood(address)}", settings.AUTH_FAILURES_PER_MINUTE, 60)
    decision = limits.take([window])
    if decision.allowed:
        return None
    wait = decision.retry_after
    return RateLimited(f"Too many failing authentications from this address. Try again in {wait} seconds.", wait)

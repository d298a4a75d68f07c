"""Judging a key for somebody else: what a gateway asks for each call that it lets through.

The same gate as for the portal's own calls, so that limits, states and networks are one rule.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from apps.api_keys.models import Scope
from apps.api_keys.serializers import write_limits, write_me, write_organization
from apps.audit.calls.recording import record_use
from apps.base.actor import ActorKind
from apps.base.errors import PortalError
from apps.base.permissions import is_read
from apps.base.requests import ApiRequest
from apps.credentials.gate import key_check
from apps.credentials.gate.key_check import KeyCheckResult
from apps.credentials.gate.key_rows import KeyRow
from apps.credentials.key_status import RESTRICTIONS
from apps.orgs.lookups import platform_pk

API_KEY_PREFIX = "ipk_"
ROUTE = "/v1/api-keys/verify"
VALID = "valid"
# What the key's own call would have been answered, for its usage figures; any other code is a 401.
STATUSES = {
    VALID: 200,
    "rate_limited": 429,
    "insufficient_scope": 403,
    "ip_not_allowed": 403,
    "organization_suspended": 403,
    **{restriction.code: 403 for restriction in RESTRICTIONS.values()},
}


def verify(
    request: ApiRequest, key: str, scopes: Sequence[str] | None = None, ip: str | None = None, cost: int = 1
) -> dict[str, Any]:
    """Judge the key as sent from ``ip`` and return the answer of docs/api.md; ``cost`` calls are counted.

    A platform key judges keys of every organization, any other key those of its own: another organization's is an
    unknown one, and so is an SDK key.
    """
    if not key.strip().startswith(API_KEY_PREFIX):
        return refused(key_check.invalid_key().code)
    verdict = key_check.check(key.strip(), ip or "", cost, within=_sight(request))
    code = _code(verdict, scopes or ())
    if verdict.key is None:
        return refused(code)
    _count(request, verdict.key, code, scopes or (), ip or "")
    limits = write_limits(verdict.states)
    if code != VALID:
        return refused(code, limits)
    return {
        "valid": True,
        "code": VALID,
        "key": write_me(verdict.key),
        "organization": write_organization(verdict.key),
        "subject": verdict.key.subject or None,
        "limits": limits,
    }


def refused(code: str, limits: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return the answer for a key that is not good; with its limits where the key is known."""
    return {"valid": False, "code": code, **({"limits": limits} if limits else {})}


def _sight(request: ApiRequest) -> uuid.UUID | None:
    """The organization whose keys the caller may judge; None: all of them."""
    own = request.actor.organization_id
    is_platform_key = request.actor.kind == ActorKind.API_KEY and own == platform_pk()
    return None if is_platform_key else own


def _code(verdict: KeyCheckResult, scopes: Sequence[str]) -> str:
    refusal, row = verdict.refusal, verdict.key
    if refusal is not None:
        return _code_of(refusal)
    assert row is not None
    if row.restriction is not None and not all(map(is_read, scopes)):
        return row.restriction.code
    actor = key_check.actor_of(row, "", "", "")
    may = all(actor.can(scope) for scope in scopes) and _are_scopes(row, scopes)
    return VALID if may else "insufficient_scope"


def _are_scopes(row: KeyRow, scopes: Sequence[str]) -> bool:
    """Whether all are words of the catalogue: ``admin`` grants every scope, and no typing error."""
    others = set(scopes) - row.permissions
    return not others or Scope.objects.filter(name__in=others).count() == len(others)


def _count(request: ApiRequest, row: KeyRow, code: str, scopes: Sequence[str], ip: str) -> None:
    """Count the call in the usage of the key that was judged; the row of the call log belongs to who asked."""
    status = STATUSES.get(code, 401)
    record_use(
        request._request,
        organization_id=row.organization_id,
        credential_id=row.pk,
        route=ROUTE,
        method="POST",
        status=status,
        scopes=scopes if status == STATUSES[VALID] else (),
        address=ip,
    )


def _code_of(refusal: PortalError) -> str:
    """A key of a type that is switched off has no scope that counts; ``forbidden`` is no code of this answer."""
    return "insufficient_scope" if refusal.code == "forbidden" else refusal.code

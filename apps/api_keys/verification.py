"""Verify a key on behalf of a gateway, with the same checks as for requests to the portal's own API."""

import uuid
from collections.abc import Sequence
from typing import Any

from apps.api_keys.models import Scope
from apps.api_keys.serializers import VALID, KeyVerificationSerializer
from apps.audit.calls.recording import record_additional_use
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
# Status of the verified key's request, for its usage figures; 401 for any other code.
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
    """Check the key as if sent from ``ip``, count ``cost`` requests, and return the body that docs/api.md describes.

    A platform key can verify the keys of any organization, any other caller those of its own. Keys of other
    organizations and SDK keys are unknown.
    """
    if not key.strip().startswith(API_KEY_PREFIX):
        return KeyVerificationSerializer.write(KeyCheckResult(), code=key_check.invalid_key_error().code)
    result = key_check.check(key.strip(), ip or "", cost, organization_id=_visible_organization(request))
    code = _code(result, scopes or ())
    if result.key is None:
        return KeyVerificationSerializer.write(KeyCheckResult(), code=code)
    _count(request, result.key, code, scopes or (), ip or "")
    return KeyVerificationSerializer.write(result, code=code)


def _visible_organization(request: ApiRequest) -> uuid.UUID | None:
    """Return the organization whose keys the caller can verify, or None for all of them."""
    own = request.actor.organization_id
    is_platform_key = request.actor.kind == ActorKind.API_KEY and own == platform_pk()
    return None if is_platform_key else own


def _code(result: KeyCheckResult, scopes: Sequence[str]) -> str:
    refusal, row = result.refusal, result.key
    if refusal is not None:
        return _code_of(refusal)
    assert row is not None
    if row.restriction is not None and not all(map(is_read, scopes)):
        return row.restriction.code
    actor = key_check.actor_of(row, "", "", "")
    is_allowed = all(actor.can(scope) for scope in scopes) and _are_known(row, scopes)
    return VALID if is_allowed else "insufficient_scope"


def _are_known(row: KeyRow, scopes: Sequence[str]) -> bool:
    """Return whether all scopes exist, so that ``admin`` does not grant a misspelled one."""
    others = set(scopes) - row.permissions
    return not others or Scope.objects.filter(name__in=others).count() == len(others)


def _count(request: ApiRequest, row: KeyRow, code: str, scopes: Sequence[str], ip: str) -> None:
    """Count the request in the usage of the verified key; the entry in the call log is the caller's."""
    status = STATUSES.get(code, 401)
    record_additional_use(
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
    """Map ``forbidden`` (a key of a disabled type), which this response does not have, to a documented code."""
    return "insufficient_scope" if refusal.code == "forbidden" else refusal.code

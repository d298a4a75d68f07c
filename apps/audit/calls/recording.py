"""Recording of API requests: one durable row for each authenticated request, before its response is sent.

Unauthenticated requests leave no row: their refusals are counted per address (IPv6: one /64), minute and code.
"""

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.utils import timezone

from apps.audit.calls import group_commit, redis_stream
from apps.audit.calls.store import AdditionalUse, Call, RefusalKey
from apps.base.actor import ActorKind
from apps.base.identifiers import ORDERED_UUIDS
from apps.base.requests import PortalRequest
from apps.base.text.redaction import redact_and_truncate
from apps.base.web.client_address import rate_limit_address

KEY_KINDS = (ActorKind.API_KEY, ActorKind.SDK_KEY)
# How a row is stored, by API_CALL_LOG.
PERSIST = {"strict": group_commit.persist, "stream": redis_stream.persist}
MAX_SCOPES_LENGTH = 200


def record_call(
    *, request: PortalRequest, auth_result: Any, route: str, status: int, code: str, duration_ms: float
) -> None:
    """Block until the row of this request is stored; the response must not be sent before.

    ``auth_result`` is the ``AuthResult`` of the request, ``route`` the template of the path (never the query string),
    ``duration_ms`` milliseconds. An unreachable database is logged and counted, never raised.
    """
    now = timezone.now()
    who = _identify(auth_result)
    if who is None:
        _count_refusal(request, now, status, code)
        return
    organization_id, kind, public_id, label, credential_id = who
    call = Call(
        id=ORDERED_UUIDS.at(now),
        at=now,
        organization_id=organization_id,
        actor_kind=kind,
        actor_id=public_id[:40],
        actor_label=redact_and_truncate(label, 200),
        credential_id=credential_id,
        method=(request.method or "")[:8],
        route=route[:120],
        status=status,
        code=code[:40],
        duration_ms=duration_ms,
        address=request.client_address[:45],
        user_agent=redact_and_truncate(request.META.get("HTTP_USER_AGENT", ""), 300),
        request_id=request.request_id,
        scopes=_scopes_text(request.scopes_used),
        flagged=getattr(auth_result.credential, "restriction", None) is not None,
        uses=tuple(request.uses),
    )
    if connection.in_atomic_block:
        group_commit.persist_inline([call], {})
    else:
        PERSIST[settings.API_CALL_LOG](call)


def record_additional_use(
    request: PortalRequest,
    *,
    organization_id: uuid.UUID,
    credential_id: uuid.UUID,
    route: str,
    method: str,
    status: int,
    scopes: Iterable[str],
    address: str,
    user_agent: str = "",
) -> None:
    """Count the request in another key's usage as well, in the commit of its own row; it adds no row.

    A ``status`` below 400 also updates that key's last use. A request that leaves no row is not counted.
    """
    agent = redact_and_truncate(user_agent, 120)
    use = AdditionalUse(
        organization_id.hex,
        credential_id.hex,
        method[:8],
        route[:120],
        status,
        _scopes_text(scopes),
        address[:45],
        agent,
    )
    request.uses.append(use)


def _scopes_text(scopes: Iterable[str]) -> str:
    """Join the scopes, sorted, cut after a whole one."""
    text = " ".join(sorted(set(map(str, scopes))))
    return text if len(text) <= MAX_SCOPES_LENGTH else text[: MAX_SCOPES_LENGTH + 1].rpartition(" ")[0]


def _identify(auth_result: Any) -> tuple[uuid.UUID, str, str, str, uuid.UUID | None] | None:
    """Return organization, kind, id, label and key of an authenticated caller or of a refused key, else None."""
    actor, credential = auth_result.actor, auth_result.credential
    key = None if credential is None else credential.pk
    if actor is not None and actor.organization_id is not None:
        own = actor.pk if actor.kind in KEY_KINDS else None
        return actor.organization_id, str(actor.kind), actor.id, actor.label, key or own
    if credential is not None:
        return credential.organization_id, str(credential.kind), credential.public_id, credential.name, key
    return None


def _count_refusal(request: PortalRequest, now: datetime, status: int, code: str) -> None:
    if status < 400:
        return
    minute = now.replace(second=0, microsecond=0)
    refused = RefusalKey(rate_limit_address(request.client_address)[:45], minute, code[:40])
    if connection.in_atomic_block:
        group_commit.persist_inline([], {refused: 1})
    else:
        group_commit.count_refused(refused)

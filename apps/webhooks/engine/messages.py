"""From a claimed delivery to the request that is sent, and to what is kept of its headers."""

import json
import uuid
from functools import lru_cache

from django.conf import settings

from apps.base.crypto.encrypted_fields import binding, unseal
from apps.base.crypto.secrets import MASK_DOTS
from apps.base.identifiers import encode
from apps.webhooks.engine.claims import ClaimedDelivery, EndpointSnapshot
from apps.webhooks.engine.sender import OutboundRequest
from apps.webhooks.engine.signing import secret_bytes, sign
from apps.webhooks.models import Endpoint, EndpointSecret, Event

USER_AGENT = f"IntegrationsPortal/{settings.VERSION}"
# Firewalls in front of receivers refuse requests without Accept. "identity": what comes back is kept as it is.
ACCEPT = (("accept", "*/*"), ("accept-encoding", "identity"))
HEADERS_FIELD, SECRET_FIELD = "headers", "secret"


def build_request(claimed: ClaimedDelivery, timestamp: int) -> OutboundRequest:
    """Sign the body and return the request; raises CannotDecrypt where a secret does not open.

    ``timestamp`` is the moment of this attempt in whole seconds.
    """
    receiver, body = claimed.receiver, claimed.body.encode()
    keys = [_signing_key(secret_id, receiver.organization_id, sealed) for secret_id, sealed in receiver.secrets]
    signed = sign(keys, _message_id(claimed.event_id), timestamp, body)
    own = custom_headers(receiver)
    fixed = (("content-type", "application/json"), ("user-agent", USER_AGENT))
    accept = ACCEPT if not any(name.lower() == "accept" for name, _value in own) else ACCEPT[1:]
    return OutboundRequest(
        token=claimed,
        url=receiver.url,
        headers=[*fixed, *accept, *signed.items(), *own],
        body=body,
        timeout_ms=settings.WEBHOOK_TIMEOUT * 1000,
        organization_id=receiver.organization_id,
    )


def custom_headers(receiver: EndpointSnapshot) -> tuple[tuple[str, str], ...]:
    """Return the headers that the organization added."""
    return _own_headers(receiver.id, receiver.organization_id, receiver.headers)


def masked_headers(request: OutboundRequest) -> dict[str, str]:
    """Return the headers as sent, for the record; the organization's own values, masked."""
    receiver: EndpointSnapshot = request.token.receiver
    own = {name for name, _value in custom_headers(receiver)}
    return {name: MASK_DOTS if name in own else value for name, value in request.headers}


@lru_cache(maxsize=4096)
def _message_id(event_id: uuid.UUID) -> str:
    return encode(Event.id_prefix, event_id)


@lru_cache(maxsize=4096)
def _signing_key(secret_id: uuid.UUID, organization_id: uuid.UUID, sealed: str) -> bytes:
    bound_to = binding(EndpointSecret._meta.db_table, secret_id, organization_id, SECRET_FIELD)
    return secret_bytes(unseal(sealed, bound_to))


@lru_cache(maxsize=4096)
def _own_headers(endpoint_id: uuid.UUID, organization_id: uuid.UUID, sealed: str) -> tuple[tuple[str, str], ...]:
    text = unseal(sealed, binding(Endpoint._meta.db_table, endpoint_id, organization_id, HEADERS_FIELD))
    return tuple(json.loads(text).items())

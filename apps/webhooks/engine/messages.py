"""Build the signed request of a claimed delivery, and the masked headers that are stored with the attempt."""

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
# Some firewalls reject requests without Accept. With "identity" the response is stored uncompressed.
ACCEPT = (("accept", "*/*"), ("accept-encoding", "identity"))
HEADERS_FIELD, SECRET_FIELD = "headers", "secret"


def build_request(claimed: ClaimedDelivery, timestamp: int) -> OutboundRequest:
    """Return the signed request. Raise CannotDecrypt if a secret or the headers cannot be decrypted.

    ``timestamp`` is the time of the attempt in whole seconds since 1970.
    """
    endpoint, body = claimed.endpoint, claimed.body.encode()
    keys = [_signing_key(secret_id, endpoint.organization_id, sealed) for secret_id, sealed in endpoint.secrets]
    signed = sign(keys, _message_id(claimed.event_id), timestamp, body)
    custom = custom_headers(endpoint)
    fixed = (("content-type", "application/json"), ("user-agent", USER_AGENT))
    accept = ACCEPT if not any(name.lower() == "accept" for name, _value in custom) else ACCEPT[1:]
    return OutboundRequest(
        token=claimed,
        url=endpoint.url,
        headers=[*fixed, *accept, *signed.items(), *custom],
        body=body,
        timeout_ms=settings.WEBHOOK_TIMEOUT * 1000,
        organization_id=endpoint.organization_id,
    )


def custom_headers(endpoint: EndpointSnapshot) -> tuple[tuple[str, str], ...]:
    """Return the headers that the organization added, decrypted."""
    return _decrypted_headers(endpoint.id, endpoint.organization_id, endpoint.headers)


def masked_headers(request: OutboundRequest) -> dict[str, str]:
    """Return the headers as sent, with the values of custom headers masked."""
    endpoint: EndpointSnapshot = request.token.endpoint
    custom = {name for name, _value in custom_headers(endpoint)}
    return {name: MASK_DOTS if name in custom else value for name, value in request.headers}


@lru_cache(maxsize=4096)
def _message_id(event_id: uuid.UUID) -> str:
    return encode(Event.id_prefix, event_id)


@lru_cache(maxsize=4096)
def _signing_key(secret_id: uuid.UUID, organization_id: uuid.UUID, sealed: str) -> bytes:
    bound_to = binding(EndpointSecret._meta.db_table, secret_id, organization_id, SECRET_FIELD)
    return secret_bytes(unseal(sealed, bound_to))


@lru_cache(maxsize=4096)
def _decrypted_headers(endpoint_id: uuid.UUID, organization_id: uuid.UUID, sealed: str) -> tuple[tuple[str, str], ...]:
    text = unseal(sealed, binding(Endpoint._meta.db_table, endpoint_id, organization_id, HEADERS_FIELD))
    return tuple(json.loads(text).items())

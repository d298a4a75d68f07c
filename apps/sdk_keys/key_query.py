"""How the gate reads SDK keys: the fields that all keys have, and the app."""

import uuid
from dataclasses import dataclass
from typing import Any

from apps.credentials.gate.key_rows import KeyRow, RowSource, as_json, as_uuid
from apps.sdk_keys.models import SdkKey

PER_ADDRESS = 600  # requests per minute with one key from one address, which many devices can share


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkRow(KeyRow):
    """An SDK key as the gate reads it."""

    pool_id: uuid.UUID
    app_id: str
    cert_sha256: str
    origins: tuple[str, ...]


def _build(
    common_fields: dict[str, Any], pool: Any, platform: str, app_id: str, cert_sha256: str, origins: Any
) -> SdkRow:
    return SdkRow(
        **common_fields,
        key_type=platform,
        is_type_disabled=False,
        scopes=(),
        permissions=frozenset(),
        disabled_scopes=frozenset(),
        subject="",
        windows=(),
        limit_per_address=PER_ADDRESS,
        pool_id=as_uuid(pool),
        app_id=app_id,
        cert_sha256=cert_sha256,
        origins=tuple(as_json(origins)),
    )


ROW_SOURCE = RowSource(
    "sdk_key", SdkKey, extra_columns=("k.pool_id", "k.platform", "k.app_id", "k.cert_sha256", "k.origins"), build=_build
)

"""Reads an SDK key for the gate: one statement on a raw cursor, as API keys are read."""

import ipaddress
import uuid
from dataclasses import dataclass
from typing import Any

from django.db import connection

from apps.base.identifiers import encode
from apps.base.secrets import current_pepper, mask
from apps.credentials.gate import KeyRow
from apps.credentials.raw import as_json, as_seconds, as_uuid
from apps.credentials.registry import DUMMY_DIGEST, Accept
from apps.sdk_keys.models import SdkKey

PER_ADDRESS = 600  # calls a minute of one key from one address, however many phones stand behind it

SELECT = """
SELECT k.id, k.name, k.key_id, k.last_four, k.digest, k.pepper_id, k.allowed_networks, k.pool_id, k.created_at,
       k.expires_at, k.revoked_at, k.disabled_at, k.quarantined_at, k.platform, k.app_id, k.cert_sha256, k.origins,
       o.id, o.name, o.slug, o.status
FROM (SELECT * FROM sdk_keys_sdkkey WHERE key_id >= %s ORDER BY key_id LIMIT 1) k
JOIN orgs_organization o ON o.id = k.organization_id
"""
KEY_ID, DIGEST, PEPPER = 2, 4, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SdkRow(KeyRow):
    """What the gate knows of an SDK key: beside what every key has, which app it belongs to."""

    pool_id: uuid.UUID
    app_id: str
    cert_sha256: str
    origins: tuple[str, ...]


def load(key_id: str, accept: Accept) -> SdkRow | None:
    """This will return the key with the public id part, or None: unknown, or its digest is not accepted.

    An unknown id reads the row of the next one, which is then not used: both ways take the same steps.
    """
    with connection.cursor() as cursor:
        cursor.execute(SELECT, [key_id])
        row = cursor.fetchone()
    digest, pepper_id = (row[DIGEST], row[PEPPER]) if row else (DUMMY_DIGEST, current_pepper())
    return _build(row) if accept(digest, pepper_id) and row and row[KEY_ID] == key_id else None


def _build(row: tuple[Any, ...]) -> SdkRow:
    (pk, name, key_id, last_four, digest, pepper_id, networks, pool, created_at, expires_at, revoked_at, disabled_at,
     quarantined_at, platform, app_id, cert_sha256, origins,
     organization_pk, organization_name, organization_slug, organization_status) = row  # fmt: skip
    organization_id, key_pk = as_uuid(organization_pk), as_uuid(pk)
    allowed = tuple(as_json(networks))
    return SdkRow(
        kind="sdk_key",
        pk=key_pk,
        public_id=encode(SdkKey.id_prefix, key_pk),
        name=name,
        mask=mask(SdkKey.key_prefix, key_id, last_four),
        digest=digest,
        pepper_id=pepper_id,
        organization_id=organization_id,
        organization_public_id=encode("org", organization_id),
        organization_name=organization_name,
        organization_slug=organization_slug,
        organization_status=organization_status,
        key_type=platform,
        type_is_off=False,
        scopes=(),
        permissions=frozenset(),
        withheld=frozenset(),
        subject="",
        created_at=as_seconds(created_at) or 0.0,
        expires_at=as_seconds(expires_at),
        is_revoked=revoked_at is not None,
        is_disabled=disabled_at is not None,
        is_quarantined=quarantined_at is not None,
        networks=allowed,
        parsed_networks=tuple(ipaddress.ip_network(each) for each in allowed),
        windows=(),
        per_address=PER_ADDRESS,
        pool_id=as_uuid(pool),
        app_id=app_id,
        cert_sha256=cert_sha256,
        origins=tuple(as_json(origins)),
    )

"""Reads keys of all kinds for the gate: one query on a raw cursor, at a third of the cost of the ORM."""

import ipaddress
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from apps.base.actor import GrantLimits
from apps.base.crypto.secrets import current_pepper, mask, matches
from apps.base.identifiers import encode
from apps.credentials import key_status
from apps.credentials.gate.rate_limits import Window
from apps.credentials.key_status import Refusal, Restriction

DUMMY_DIGEST = "0" * 64
COLUMNS = (
    *("id", "name", "key_id", "last_four", "digest", "pepper_id", "allowed_networks", "created_at", "expires_at"),
    *key_status.STATUS_COLUMNS,
)
ORGANIZATION_COLUMNS = ("id", "name", "slug", "status")
KEY_ID, DIGEST, PEPPER = (COLUMNS.index(name) for name in ("key_id", "digest", "pepper_id"))
STATUS_SLICE = slice(len(COLUMNS) - len(key_status.STATUS_COLUMNS), len(COLUMNS))
EXTRA_START = len(COLUMNS) + len(ORGANIZATION_COLUMNS)
SELECT = """
SELECT {columns}
FROM (SELECT * FROM {table} WHERE key_id >= %s ORDER BY key_id LIMIT 1) k
JOIN orgs_organization o ON o.id = k.organization_id
{joins}
"""


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A key as the gate reads it. Times are seconds since 1970.

    ``scopes`` and ``permissions`` exclude ``disabled_scopes``, those that are disabled for the organization.
    ``columns_set``: the columns of ``key_status.STATUS_COLUMNS`` that are not null.
    """

    kind: str
    pk: uuid.UUID
    public_id: str
    name: str
    mask: str
    digest: str
    pepper_id: str
    organization_id: uuid.UUID
    organization_public_id: str
    organization_name: str
    organization_slug: str
    organization_status: str
    key_type: str
    is_type_disabled: bool
    scopes: tuple[str, ...]
    permissions: frozenset[str]
    disabled_scopes: frozenset[str]
    subject: str
    created_at: float
    expires_at: float | None
    columns_set: frozenset[str]
    networks: tuple[str, ...]
    windows: tuple[Window, ...]
    # Requests per minute from one address, for keys that many devices share; 0: no limit.
    limit_per_address: int = 0
    # Computed once per row, not once per request.
    parsed_networks: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = field(init=False, repr=False)
    grant_limits: GrantLimits = field(init=False, repr=False)
    restriction: Restriction | None = field(init=False, repr=False)
    refusal_before_expiry: Refusal | None = field(init=False, repr=False)

    def __post_init__(self) -> None:
        limits_of_key = {window.name: window.limit for window in self.windows if window.name != "organization"}
        grant_limits = GrantLimits(self.key_type, self.expires_at, limits_of_key, self.networks)
        object.__setattr__(self, "grant_limits", grant_limits)
        object.__setattr__(self, "parsed_networks", tuple(ipaddress.ip_network(each) for each in self.networks))
        object.__setattr__(self, "restriction", key_status.restriction_of(self.columns_set))
        object.__setattr__(self, "refusal_before_expiry", key_status.refusal_of(self.columns_set, None))

    def refusal(self, now: float) -> Refusal | None:
        """Return the refusal of every request at a time (seconds since 1970), or None."""
        if self.expires_at is None or self.expires_at > now:
            return self.refusal_before_expiry
        return key_status.refusal_of(self.columns_set, self.expires_at - now)


@dataclass(frozen=True, slots=True)
class RowSource:
    """Reads the keys of one kind: its additional columns and joins, and the function that builds its rows.

    ``extra_columns``: columns of ``k`` (the key) and of the tables in ``joins``. ``build`` takes the fields of every
    ``KeyRow`` as a dict, then the values of ``extra_columns``.
    """

    kind: str
    model: Any  # a SecretKey, which cannot be imported yet when kinds are registered
    extra_columns: tuple[str, ...]
    build: Callable[..., KeyRow]
    joins: str = ""
    select: str = field(init=False)

    def __post_init__(self) -> None:
        columns = (
            *(f"k.{name}" for name in COLUMNS),
            *(f"o.{name}" for name in ORGANIZATION_COLUMNS),
            *self.extra_columns,
        )
        select = SELECT.format(columns=", ".join(columns), table=self.model._meta.db_table, joins=self.joins)
        object.__setattr__(self, "select", select)

    def find(self, key_id: str, plaintext: str) -> KeyRow | None:
        """Return the key by the id in its text, or None where the id is unknown or the secret is wrong.

        For an unknown id the query returns the next row, which is then ignored: no row would take a tenth of a
        millisecond less, and so reveal which ids exist. Without a next row, a dummy is compared.
        """
        row = self._read(key_id)
        digest, pepper_id = (row[DIGEST], row[PEPPER]) if row else (DUMMY_DIGEST, current_pepper())
        return self._key_row(row) if matches(plaintext, digest, pepper_id) and row and row[KEY_ID] == key_id else None

    def get(self, key_id: str) -> KeyRow | None:
        """Return the key by id without checking its secret: never for input from a request."""
        row = self._read(key_id)
        return self._key_row(row) if row and row[KEY_ID] == key_id else None

    def _read(self, key_id: str) -> tuple[Any, ...] | None:
        with connection.cursor() as cursor:
            cursor.execute(self.select, [key_id])
            row: tuple[Any, ...] | None = cursor.fetchone()
            return row

    def _key_row(self, row: tuple[Any, ...]) -> KeyRow:
        pk, name, key_id, last_four, digest, pepper_id, networks, created_at, expires_at = row[: STATUS_SLICE.start]
        organization_pk, organization_name, organization_slug, organization_status = row[len(COLUMNS) : EXTRA_START]
        organization_id, key_pk = as_uuid(organization_pk), as_uuid(pk)
        fields: dict[str, Any] = {
            "kind": self.kind,
            "pk": key_pk,
            "public_id": encode(self.model.id_prefix, key_pk),
            "organization_public_id": encode("org", organization_id),
            "name": name,
            "mask": mask(self.model.key_prefix, key_id, last_four),
            "digest": digest,
            "pepper_id": pepper_id,
            "organization_id": organization_id,
            "organization_name": organization_name,
            "organization_slug": organization_slug,
            "organization_status": organization_status,
            "created_at": as_seconds(created_at) or 0.0,
            "expires_at": as_seconds(expires_at),
            "columns_set": frozenset(
                column
                for column, at in zip(key_status.STATUS_COLUMNS, row[STATUS_SLICE], strict=True)
                if at is not None
            ),
            "networks": tuple(as_json(networks)),
        }
        return self.build(fields, *row[EXTRA_START:])


def as_uuid(value: Any) -> uuid.UUID:
    """Return the value of a UUID column, which SQLite returns as a text."""
    return value if isinstance(value, uuid.UUID) else uuid.UUID(value)


def as_json(value: Any) -> Any:
    """Return the value of a JSON column, which a raw cursor can return as a text."""
    return json.loads(value) if isinstance(value, str) else value


def as_seconds(value: Any) -> float | None:
    """Return the value of a time column as seconds since 1970, or None."""
    if value is None:
        return None
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def to_datetime(seconds: float | None) -> datetime | None:
    """Return seconds since 1970 as a datetime in UTC, or None."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)

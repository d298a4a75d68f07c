"""Checkpoints: the end of an organization's chain at a point in time, signed with Ed25519 (RFC 8032).

With write access to the whole database, an attacker can cut off the newest entries, rebuild the chain, or restore an
old backup, and the chain alone does not show it. A checkpoint stored elsewhere does. One is created for each
organization every day and written to the log; members who can export the audit log can create another.

The signature is over ``integrations-portal audit checkpoint 1``, a line feed, and the JSON of ``at hash organization
seq``, in the canonical form of ``apps.audit.seal.chain``.
"""

import base64
import binascii
import hashlib
import json
import logging
import uuid
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.conf import settings

from apps.audit.models import Checkpoint, Seal
from apps.audit.seal.chain import encode_json
from apps.audit.seal.sealer import chain_end, seal_due
from apps.base import timestamps
from apps.base.errors import Invalid
from apps.base.identifiers import encode
from apps.base.timestamps import format_timestamp_ms

logger = logging.getLogger(__name__)

DOMAIN = b"integrations-portal audit checkpoint 1\n"
FIELDS = {"organization": str, "seq": int, "hash": str, "at": str, "signature": str, "public_key": str, "key_id": str}


class SignedFields(NamedTuple):
    """The signed part of a checkpoint; ``organization`` is the public id, ``at`` as in the API."""

    organization: str
    seq: int
    hash: str
    at: str


def newest(organization_id: uuid.UUID) -> Checkpoint | None:
    """Return the organization's newest checkpoint, or None."""
    return Checkpoint.objects.filter(organization_id=organization_id).order_by("-seq", "-at").first()


def create(organization_id: uuid.UUID) -> Checkpoint | None:
    """Seal pending entries and sign the end of the chain; None if the chain is empty.

    A checkpoint that is already at the end is returned unchanged.
    """
    seal_due()
    end = chain_end(organization_id)
    if end.seq == 0:
        return None
    key = signing_key()
    public_key = encode_public_key(key.public_key())
    at = timestamps.database_now()
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    point = SignedFields(encode("org", organization_id), end.seq, end.hash, format_timestamp_ms(at) or "")
    signature = base64.b64encode(key.sign(_message(point))).decode()
    checkpoint, _is_new = Checkpoint.objects.get_or_create(
        organization_id=organization_id,
        seq=end.seq,
        key_id=key_id(public_key),
        defaults={"hash": end.hash, "at": at, "signature": signature, "public_key": public_key},
    )
    return checkpoint


def is_behind(checkpoint: Checkpoint, ignored_action: str) -> bool:
    """Return whether another signing key is in use now, or entries were sealed after the checkpoint.

    Entries of ``ignored_action`` do not count.
    """
    later = Seal.objects.filter(organization_id=checkpoint.organization_id, seq__gt=checkpoint.seq)
    return checkpoint.public_key != own_public_key() or later.exclude(entry__action=ignored_action).exists()


def as_json(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return the checkpoint as the JSON object that ``verify_audit --checkpoint`` reads."""
    return {
        "organization": encode("org", checkpoint.organization_id),
        "seq": checkpoint.seq,
        "hash": checkpoint.hash,
        "at": format_timestamp_ms(checkpoint.at),
        "signature": checkpoint.signature,
        "public_key": checkpoint.public_key,
        "key_id": checkpoint.key_id,
    }


def log_checkpoint(checkpoint: Checkpoint) -> None:
    """Log a checkpoint in one line, so that it is stored wherever logs are shipped to."""
    logger.info("audit checkpoint %s", json.dumps(as_json(checkpoint)))


def read(text: str) -> dict[str, Any]:
    """Parse a checkpoint file. Raises Invalid for another format or a wrong signature."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or any(type(found.get(name)) is not kind for name, kind in FIELDS.items()):
        raise Invalid("This is no checkpoint: it must be one JSON object as the audit page gives it out.")
    if not is_signed(found):
        raise Invalid("The checkpoint's signature does not hold: the file was changed, or never was the portal's.")
    return found


def is_signed(document: dict[str, Any]) -> bool:
    """Return whether the signature matches the public key in the document, which can be another portal's."""
    try:
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(document["public_key"], validate=True))
        signature = base64.b64decode(document["signature"], validate=True)
        public.verify(signature, _message(SignedFields(*(document[name] for name in SignedFields._fields))))
    except (InvalidSignature, ValueError, binascii.Error):
        return False
    return bool(document["key_id"] == key_id(document["public_key"]))


def signing_key() -> Ed25519PrivateKey:
    """Return the private key of ``AUDIT_SIGNING_KEY``."""
    return Ed25519PrivateKey.from_private_bytes(settings.AUDIT_SIGNING_KEY)


def own_public_key() -> str:
    """Return the portal's public key in base64, with which others verify signatures."""
    return encode_public_key(signing_key().public_key())


def encode_public_key(public: Ed25519PublicKey) -> str:
    """Return a public key in base64."""
    return base64.b64encode(public.public_bytes_raw()).decode()


def key_id(public_key: str) -> str:
    """Return the id of a key: the first 16 hex digits of the SHA-256 of its public half."""
    return hashlib.sha256(base64.b64decode(public_key)).hexdigest()[:16]


def _message(point: SignedFields) -> bytes:
    return DOMAIN + encode_json(point._asdict()).encode()

"""Encryption of secrets that must be read back: signing secrets, custom headers, secrets of authenticator apps.

AES-256-GCM (NIST SP 800-38D), stored as ``v1:kid:nonce:ciphertext``. The associated data binds a ciphertext to its
table, row, organization and field: copied to another row, it does not decrypt.
"""

import base64
import os
import re
import uuid
from typing import Any, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.db import models

NONCE_BYTES = 12
KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,16}", re.ASCII)


class CannotDecrypt(Exception):
    """The ciphertext was changed or copied from another row, or its key is no longer configured."""


class Ciphertext(str):
    """A ciphertext from the database; the type distinguishes it from plaintext."""

    __slots__ = ()


def current_key_id() -> str:
    """Return the id of the key that new values are encrypted under: the first of ENCRYPTION_KEYS."""
    return next(iter(settings.ENCRYPTION_KEYS))


def key_id_of(sealed: str) -> str:
    """Return the key id in a ciphertext, or a dash where there is none."""
    parts = sealed.split(":")
    return parts[1] if len(parts) == 4 and KEY_ID.fullmatch(parts[1]) else "-"


def binding(table: str, pk: uuid.UUID, organization_id: uuid.UUID, field: str) -> bytes:
    """Return the associated data of one field of one row."""
    return "\0".join((table, pk.hex, organization_id.hex, field)).encode()


def seal(text: str, associated_data: bytes) -> Ciphertext:
    """Encrypt a text under the current key."""
    key_id = current_key_id()
    key = settings.ENCRYPTION_KEYS[key_id]
    nonce = os.urandom(NONCE_BYTES)
    ciphertext = AESGCM(key).encrypt(nonce, text.encode(), associated_data)
    parts = (base64.urlsafe_b64encode(part).decode() for part in (nonce, ciphertext))
    return Ciphertext(":".join(("v1", key_id, *parts)))


def unseal(sealed: str, associated_data: bytes) -> str:
    """Decrypt, or raise CannotDecrypt, which names a missing key but never the text."""
    try:
        version, key_id, nonce, ciphertext = sealed.split(":")
        if version != "v1":
            raise CannotDecrypt(f"unknown version {version!r}")
        if key_id not in settings.ENCRYPTION_KEYS:
            raise CannotDecrypt(
                f"the key {key_id_of(sealed)!r} is not in ENCRYPTION_KEYS: put it back behind the first"
            )
        key = settings.ENCRYPTION_KEYS[key_id]
        plain = AESGCM(key).decrypt(
            base64.urlsafe_b64decode(nonce), base64.urlsafe_b64decode(ciphertext), associated_data
        )
        return plain.decode()
    except (ValueError, InvalidTag) as error:
        raise CannotDecrypt(type(error).__name__) from None


class _DecryptingDescriptor:
    """Decrypts on attribute access, so that loading rows costs nothing."""

    def __init__(self, field: "EncryptedTextField") -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type) -> Any:
        if instance is None:
            return self
        name = self.field.attname
        if name not in instance.__dict__:
            instance.refresh_from_db(fields=[name])
        value = instance.__dict__[name]
        return unseal(value, self.field.binding(instance)) if isinstance(value, Ciphertext) else value

    def __set__(self, instance: models.Model, value: Any) -> None:
        instance.__dict__[self.field.attname] = value


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # generic in the stubs alone
    """A text that is stored encrypted, on a model with ``id`` and ``organization_id``."""

    def contribute_to_class(self, cls: type[models.Model], name: str, private_only: bool = False) -> None:
        """Install the decrypting descriptor on the model class."""
        super().contribute_to_class(cls, name, private_only)
        setattr(cls, name, _DecryptingDescriptor(self))

    def binding(self, instance: Any) -> bytes:
        """Return the associated data of this field for the instance."""
        return binding(instance._meta.db_table, instance.pk, instance.organization_id, cast(str, self.column))

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Ciphertext | None:
        """Mark values from the database as ciphertext."""
        return None if value is None else Ciphertext(value)

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Encrypt a plaintext value before it is saved; leave an unchanged ciphertext as it is."""
        value = model_instance.__dict__.get(self.attname)
        if value is None or isinstance(value, Ciphertext):
            return value
        return seal(value, self.binding(model_instance))

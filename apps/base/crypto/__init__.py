"""Secrets: generation, digests, field encryption and key rotation."""

from apps.base.crypto.encrypted_fields import EncryptedTextField, binding, seal, unseal

__all__ = ["EncryptedTextField", "binding", "seal", "unseal"]

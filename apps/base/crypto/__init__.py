"""Secrets: how they are made, digested, encrypted, and encrypted again under a newer key."""

from apps.base.crypto.encrypted_fields import EncryptedTextField, binding, seal, unseal

__all__ = ["EncryptedTextField", "binding", "seal", "unseal"]

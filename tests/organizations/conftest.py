"""Fixtures of organization tests: one object of each kind that belongs to Acme."""

from tests.conventions.conftest import samples

__all__ = ["samples"]

"""One of everything of Acme, as the tests of the house have it."""

from tests.house.conftest import samples

__all__ = ["samples"]

"""Rules for passwords beyond Django's own."""

from typing import Any

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


class ResetTokens(PasswordResetTokenGenerator):
    """Generates tokens of mailed links, valid for three days or until the password or address changes.

    An address that was changed and changed back counts as changed.

    Django's tokens also expire at the next sign-in, and allauth's when an address is added: a user who knows a
    provisional password could make every link in the owner's mailbox invalid.
    """

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{user.pk}{user.password}{timestamp}{user.email}{user.address_epoch or ''}"


class MaximumLengthValidator:
    """Refuses very long passwords, whose hashing would take too long."""

    def __init__(self, max_length: int = 128) -> None:
        self.max_length = max_length

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError for a password over the limit."""
        if len(password) > self.max_length:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        """Return the rule as a sentence."""
        return _("Your password must have at most %(count)d characters.") % {"count": self.max_length}

"""Rules for passwords beyond Django's own."""

from typing import Any

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _


class ResetTokens(PasswordResetTokenGenerator):
    """Tokens of mailed links: dead once the password changed or the address was changed, or after three days.

    An address that was changed away and back counts as changed.

    Django's die at the next sign-in too, and allauth's with every further address: whoever knows a provisional
    password could keep the owner of the mailbox from ever using a link.
    """

    def _make_hash_value(self, user: Any, timestamp: int) -> str:
        return f"{user.pk}{user.password}{timestamp}{user.email}{user.address_epoch or ''}"


class MaximumLengthValidator:
    """Refuses very long passwords: hashing them is a way to keep a server busy."""

    def __init__(self, max_length: int = 128) -> None:
        self.max_length = max_length

    def validate(self, password: str, user: Any = None) -> None:
        """Raise ValidationError over the limit."""
        if len(password) > self.max_length:
            raise ValidationError(self.get_help_text(), code="password_too_long")

    def get_help_text(self) -> str:
        """Return the rule for people."""
        return _("Your password must have at most %(count)d characters.") % {"count": self.max_length}

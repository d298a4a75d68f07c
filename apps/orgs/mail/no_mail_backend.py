"""Mail backend without a mail server: it fails every attempt, and queued mail is tried again later."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class MailIsNotSet(OSError):
    """Raised because EMAIL_URL is not set."""


class NoMail(BaseEmailBackend):
    """Refuses every mail: Django's default would connect to localhost, and the console backend logs token links."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Raise MailIsNotSet."""
        raise MailIsNotSet("EMAIL_URL is not set")

"""Mail where no server is named: nothing leaves and nothing is printed; what is queued is tried again later."""

from collections.abc import Sequence

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class MailIsNotSet(OSError):
    """No mail server is named in the settings."""


class NoMail(BaseEmailBackend):
    """Django's default would speak to whatever listens on this machine, and the console keeps links in logs."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Refuse, as a server that is away."""
        raise MailIsNotSet("EMAIL_URL is not set")

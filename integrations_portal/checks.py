"""What ``manage.py check`` tells operators besides Django's own checks: what starts, and is still not complete."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Info

NO_MAIL = "EMAIL_URL is not set: invitations, password resets and notifications wait and aren't sent."


def check_mail(**_options: Any) -> list[CheckMessage]:
    """Tell that no mail leaves."""
    return [] if sends_mail() else [Info(NO_MAIL, id="portal.I001")]


def sends_mail() -> bool:
    """Tell whether the settings name a way for mail."""
    return not settings.EMAIL_BACKEND.endswith(".NoMail")

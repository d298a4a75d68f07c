"""Queueing of mail as rows, in the transaction of the change that it reports; a periodic job sends it."""

from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from apps.orgs.models import OutgoingMail


def enqueue(*, to: str, template: str, context: dict[str, Any], language: str = "") -> OutgoingMail:
    """Queue a plain-text mail in the recipient's language; its first line is the subject.

    ``template``: a name under ``templates/mail/``. It must not contain secrets or token links, because rows are stored.
    """
    subject, body = render(template, context, language)
    return OutgoingMail.objects.create(to=to, subject=subject, body=body)


def enqueue_link(*, to: str, template: str, regarding: str = "") -> OutgoingMail:
    """Queue a mail with a token link, which ``token_emails`` renders when it is sent.

    ``regarding``: the object of the link, such as a primary key; not secret.
    """
    return OutgoingMail.objects.create(to=to, subject="", body="", template=template, regarding=regarding)


def render(template: str, context: dict[str, Any], language: str = "") -> tuple[str, str]:
    """Return subject and body of a mail in a language."""
    one_line_context = {name: _one_line(value) for name, value in context.items()}
    with translation.override(language or settings.LANGUAGE_CODE):
        text = render_to_string(f"mail/{template}.txt", {**one_line_context, "public_url": settings.PUBLIC_URL})
    subject, _, body = text.strip().partition("\n")
    # One line, whatever names it contains: Django refuses a subject with a line break.
    return " ".join(subject.split())[:250], body.strip() + "\n"


def _one_line(value: Any) -> Any:
    """Collapse line breaks, so that a name cannot add paragraphs to a mail."""
    return " ".join(value.split()) if isinstance(value, str) else value

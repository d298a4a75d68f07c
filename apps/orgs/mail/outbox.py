"""Mail of the portal: written as rows in the transaction of what it tells about, sent by the sweep."""

from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from apps.orgs.models import OutgoingMail


def enqueue(*, to: str, template: str, context: dict[str, Any], language: str = "") -> OutgoingMail:
    """Write a plain-text mail in the reader's language; its first line is the subject.

    ``template``: a name under ``templates/mail/``. Holds no secret and no link that lets anybody in: rows stay.
    """
    subject, body = write(template, context, language)
    return OutgoingMail.objects.create(to=to, subject=subject, body=body)


def enqueue_link(*, to: str, template: str, regarding: str = "") -> OutgoingMail:
    """Ask for a mail with a link that lets somebody in; ``link_mails`` writes it when it is sent.

    ``regarding``: what the link is about, such as the key of a row; it is no secret.
    """
    return OutgoingMail.objects.create(to=to, subject="", body="", template=template, regarding=regarding)


def write(template: str, context: dict[str, Any], language: str = "") -> tuple[str, str]:
    """Return subject and body of a mail in a language."""
    words = {name: _one_line(value) for name, value in context.items()}
    with translation.override(language or settings.LANGUAGE_CODE):
        text = render_to_string(f"mail/{template}.txt", {**words, "public_url": settings.PUBLIC_URL})
    subject, _, body = text.strip().partition("\n")
    # One line, whatever a name in it holds: a mail whose subject has a line break is never sent.
    return " ".join(subject.split())[:250], body.strip() + "\n"


def _one_line(value: Any) -> Any:
    """A name with line breaks must not write paragraphs of a mail."""
    return " ".join(value.split()) if isinstance(value, str) else value

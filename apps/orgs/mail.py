"""Mail of the portal: written as rows in the transaction of what it tells about, sent by the sweep."""

from typing import Any

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import translation

from apps.orgs.models import Invitation, OutgoingMail

# Stands in the body of an invitation where its link goes when the mail leaves.
LINK_HERE = "[[link]]"


def enqueue(
    *, to: str, template: str, context: dict[str, Any], language: str = "", invitation: Invitation | None = None
) -> OutgoingMail:
    """This will write a plain-text mail in the reader's language; its first line is the subject.

    ``template``: a name under ``templates/mail/``. Holds no secret and no link that lets anybody in: rows stay. The
    link of an ``invitation`` is made when the mail leaves, and put where the template says ``link_here``.
    """
    words = {name: _one_line(value) for name, value in context.items()}
    with translation.override(language or settings.LANGUAGE_CODE):
        values = {**words, "public_url": settings.PUBLIC_URL, "link_here": LINK_HERE}
        text = render_to_string(f"mail/{template}.txt", values)
    subject, _, body = text.strip().partition("\n")
    # One line, whatever a name in it holds: a mail whose subject has a line break is never sent.
    subject = " ".join(subject.split())[:250]
    return OutgoingMail.objects.create(to=to, subject=subject, body=body.strip() + "\n", invitation=invitation)


def _one_line(value: Any) -> Any:
    """A name with line breaks must not write paragraphs of a mail, nor say where a link goes."""
    return " ".join(value.split()).replace(LINK_HERE, "") if isinstance(value, str) else value

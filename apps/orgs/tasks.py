"""Sweeps of this app, run by every worker: notices become mail, and mail is sent."""

import logging
import smtplib
from datetime import timedelta
from itertools import groupby

from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone, translation

from apps.notices.models import Notice
from apps.notices.texts import describe
from apps.orgs import links, mail
from apps.orgs.models import Membership, OutgoingMail
from apps.orgs.roles import PERMISSIONS

logger = logging.getLogger(__name__)

BATCH = 50
# More notices than this of one organization at once become one mail to a person.
MOST_SINGLE_MAILS = 3
MOST_ATTEMPTS = 20
LONGEST_WAIT = timedelta(hours=6)


def mail_notices() -> int:
    """This will write the mails of new notices to the members whose role may act, each in their language.

    What a person gets of one organization in one run comes as one mail where it is more than three notices.
    """
    waiting = Notice.objects.to_mail().filter(dismissed_at=None).select_related("organization").order_by("pk")[:BATCH]
    notices = sorted(waiting, key=lambda notice: notice.organization_id)
    for _organization_id, group in groupby(notices, key=lambda notice: notice.organization_id):
        with transaction.atomic():
            _write_mails([notice for notice in group if _take(notice)])
    return len(notices)


def _take(notice: Notice) -> bool:
    """Two sweepers may see the same notice: the one whose update hits writes the mails."""
    return bool(Notice.objects.filter(pk=notice.pk, mailed_at=None).update(mailed_at=timezone.now()))


def _write_mails(notices: list[Notice]) -> None:
    """Write what each member of the one organization gets of these notices."""
    if not notices:
        return
    members = Membership.objects.filter(organization_id=notices[0].organization_id, user__is_active=True)
    for member in members.select_related("user"):
        held = PERMISSIONS[member.role]
        own = [notice for notice in notices if not notice.permission or notice.permission in held]
        if len(own) > MOST_SINGLE_MAILS:
            _write_mail(member, "notices", own)
        else:
            for notice in own:
                _write_mail(member, "notice", [notice])


def _write_mail(member: Membership, template: str, notices: list[Notice]) -> None:
    organization, user = notices[0].organization, member.user
    with translation.override(user.language or "en"):
        words = [describe(notice, organization.slug) for notice in notices]
    context = {"notice": words[0], "notices": words, "organization": organization.name, "name": user.name}
    mail.enqueue(to=user.email, template=template, context=context, language=user.language)


def send_due_mail() -> int:
    """This will send what is due and put off, longer each time, what the server did not take.

    A server that cannot be reached ends the run: the other sweeps of this thread must not wait for it mail by mail.
    """
    now = timezone.now()
    sent = 0
    for row in OutgoingMail.objects.due(now)[:BATCH]:
        wait = min(LONGEST_WAIT, timedelta(seconds=30 * 2 ** min(row.attempts, 10)))
        last = row.attempts + 1 >= MOST_ATTEMPTS
        # The next try is booked before this one: a worker that dies here sends late, and two never send at once.
        booked = OutgoingMail.objects.filter(pk=row.pk, attempts=row.attempts, sent_at=None).update(
            attempts=row.attempts + 1, next_attempt_at=None if last else now + wait
        )
        error = _send(row) if booked else None
        if error is not None and not _is_about_the_mail(error):
            break
        sent += bool(booked) and error is None
    return sent


def _send(row: OutgoingMail) -> OSError | ValueError | None:
    """Send one mail and return the error where it was not taken: smtplib's are OSErrors, a bad mail is a ValueError."""
    body = _body(row)
    if body is None:
        row.delete()
        return None
    try:
        EmailMessage(row.subject, body, to=[row.to]).send()
    except (OSError, ValueError) as error:
        logger.warning("mail %s was not taken: %s", row.pk, type(error).__name__)
        OutgoingMail.objects.filter(pk=row.pk).update(last_error=f"{type(error).__name__}: {error}"[:200])
        return error
    OutgoingMail.objects.filter(pk=row.pk).update(sent_at=timezone.now(), last_error="")
    return None


def _body(row: OutgoingMail) -> str | None:
    """Return the text to send: with a link that was made this moment, or None where its invitation is over."""
    if row.invitation_id is None:
        return row.body
    link = links.invitation_link(row.invitation_id, timezone.now())
    return None if link is None else row.body.replace(mail.LINK_HERE, link)


def _is_about_the_mail(error: OSError | ValueError) -> bool:
    """Whether it is this one mail that cannot be sent: it is malformed, or the server answered and refused it."""
    refusals = (ValueError, smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError)
    return isinstance(error, refusals)

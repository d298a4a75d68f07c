"""Sweeps of this app, run by every worker: notices become mail, and mail is sent."""

import logging
from datetime import timedelta

from django.core.mail import EmailMessage
from django.db import transaction
from django.utils import timezone, translation

from apps.notices.models import Notice
from apps.notices.texts import describe
from apps.orgs import mail
from apps.orgs.models import Membership, OutgoingMail
from apps.orgs.roles import PERMISSIONS

logger = logging.getLogger(__name__)

BATCH = 50
MOST_ATTEMPTS = 20
LONGEST_WAIT = timedelta(hours=6)


def mail_notices() -> int:
    """This will write the mails of new notices to the members whose role may act, each in their language."""
    notices = Notice.objects.to_mail().filter(dismissed_at=None).select_related("organization").order_by("pk")[:BATCH]
    for notice in notices:
        with transaction.atomic():
            # Two sweepers may see the same notice: the one whose update hits writes the mails.
            if Notice.objects.filter(pk=notice.pk, mailed_at=None).update(mailed_at=timezone.now()):
                _write_mails(notice)
    return len(notices)


def _write_mails(notice: Notice) -> None:
    members = Membership.objects.filter(organization_id=notice.organization_id, user__is_active=True)
    for member in members.select_related("user"):
        if notice.permission and notice.permission not in PERMISSIONS[member.role]:
            continue
        with translation.override(member.user.language or "en"):
            words = describe(notice, notice.organization.slug)
        context = {"notice": words, "organization": notice.organization.name, "name": member.user.name}
        mail.enqueue(to=member.user.email, template="notice", context=context, language=member.user.language)


def send_due_mail() -> int:
    """This will send what is due and put off, longer each time, what the server did not take."""
    now = timezone.now()
    sent = 0
    for row in OutgoingMail.objects.due(now)[:BATCH]:
        wait = min(LONGEST_WAIT, timedelta(seconds=30 * 2 ** min(row.attempts, 10)))
        last = row.attempts + 1 >= MOST_ATTEMPTS
        # The next try is booked before this one: a worker that dies here sends late, and two never send at once.
        booked = OutgoingMail.objects.filter(pk=row.pk, attempts=row.attempts, sent_at=None).update(
            attempts=row.attempts + 1, next_attempt_at=None if last else now + wait
        )
        sent += bool(booked) and _send(row)
    return sent


def _send(row: OutgoingMail) -> bool:
    try:
        EmailMessage(row.subject, row.body, to=[row.to]).send()
    except OSError as error:  # smtplib's errors are OSErrors
        logger.warning("mail %s was not taken: %s", row.pk, type(error).__name__)
        OutgoingMail.objects.filter(pk=row.pk).update(last_error=f"{type(error).__name__}: {error}"[:200])
        return False
    OutgoingMail.objects.filter(pk=row.pk).update(sent_at=timezone.now(), last_error="")
    return True

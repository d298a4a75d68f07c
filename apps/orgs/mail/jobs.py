"""Sweeps of this app, run by every worker: notices become mail, mail is sent, and what is over is forgotten."""

import logging
import random
import smtplib
import time
import uuid
from datetime import datetime, timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone, translation

from apps.base.extension_points import periodic_jobs
from apps.base.identifiers import uuid_at
from apps.base.telemetry.logging import redact
from apps.base.text.mail_addresses import wire_address
from apps.base.timestamps import time_zone_of
from apps.notices.models import Notice, Severity
from apps.notices.texts import describe
from apps.orgs.mail import outbox, token_emails
from apps.orgs.mail.recipients import recipients
from apps.orgs.models import Invitation, InvitationStatus, Membership, OrganizationStatus, OutgoingMail

logger = logging.getLogger(__name__)

BATCH = 50
# More notices than this of one organization at once become one mail to a person.
MAX_SINGLE_MAILS = 3
# For so long after a mail, more than that many wait and come as one.
QUIET_PERIOD = timedelta(minutes=5)
QUIET_LOOKBACK = timedelta(days=2)
MAX_NOTICES_PER_RUN = 500
MAX_NOTICES_PER_MAIL = 20
MAX_ATTEMPTS = 20
DELETE_BATCH, MAX_DELETE_BATCHES = 500, 20
SENT_RETENTION, CLOSED_RETENTION = timedelta(days=30), timedelta(days=90)
MAX_BACKOFF = timedelta(hours=6)
# One run of sending; and what one mail takes at most where a server takes its ten seconds for each word.
MAX_SECONDS = 20.0
SEND_LEASE = timedelta(minutes=5)


# The periodic job orgs.write_notification_mail (apps.py).
def mail_notices() -> int:
    """Write the mails of new notices to those whom mailing.py names, each in their language.

    What a person gets of one organization in one run comes as one mail where it is more than three notices. After such
    mails an organization has quiet for a while: a flood over minutes becomes a mail every few minutes.
    """
    written = 0
    waiting = Notice.objects.awaiting_mail().order_by()
    organizations = list(waiting.values_list("organization_id", flat=True).distinct())
    # Those that have quiet stay in the list: where there are many, none is always behind them.
    random.shuffle(organizations)
    for organization_id in organizations[:BATCH]:
        try:
            written += _mail_notices_of(organization_id)
        except Exception:
            # One organization's trouble must not keep the others waiting.
            logger.exception("notices of %s could not be mailed", organization_id)
    return written


@transaction.atomic
def _mail_notices_of(organization_id: uuid.UUID) -> int:
    rows = Notice.objects.filter(organization_id=organization_id)
    waiting = list(rows.awaiting_mail().select_related("organization").order_by("pk")[:MAX_NOTICES_PER_RUN])
    now = timezone.now()
    recent = rows.filter(
        pk__gt=uuid_at(now - QUIET_LOOKBACK), mail_wanted=True, mailed_at__gt=now - QUIET_PERIOD
    ).count()
    if recent and recent + len(waiting) > MAX_SINGLE_MAILS:
        return 0
    taken = [notice for notice in waiting if _take(notice)]
    _write_mails(taken)
    return len(taken)


def _take(notice: Notice) -> bool:
    """Two sweepers may see the same notice: the one whose update hits writes the mails."""
    return bool(Notice.objects.filter(pk=notice.pk, mailed_at=None).update(mailed_at=timezone.now()))


def _write_mails(notices: list[Notice]) -> None:
    """Write what each member of the one organization gets of these notices; of a closed one nobody gets any."""
    if not notices or notices[0].organization.status == OrganizationStatus.CLOSED:
        return
    rows = Membership.objects.filter(organization_id=notices[0].organization_id, user__is_active=True)
    members = [row for row in rows.select_related("user").order_by("pk") if not row.user.waits_for_owner]
    told = [(notice, {each.pk for each in recipients(notice, members)}) for notice in notices]
    for member in members:
        own = [notice for notice, keys in told if member.pk in keys]
        if len(own) > MAX_SINGLE_MAILS:
            own.sort(key=lambda notice: notice.severity != Severity.BAD)
            _write_mail(member, "notices", own)
        else:
            for notice in own:
                _write_mail(member, "notice", [notice])


def _write_mail(member: Membership, template: str, notices: list[Notice]) -> None:
    organization, user = notices[0].organization, member.user
    with translation.override(user.language or "en"), timezone.override(time_zone_of(user.time_zone)):
        words = [describe(notice, organization.slug) for notice in notices[:MAX_NOTICES_PER_MAIL]]
    context = {
        "notice": words[0],
        "notices": words,
        "number": len(notices),
        "more": len(notices) - len(words),
        "organization": organization.name,
        "list_url": reverse("notices", args=[organization.slug]),
        "name": user.name,
    }
    outbox.enqueue(to=user.email, template=template, context=context, language=user.language)


# The periodic job orgs.send_mail (apps.py).
def send_due_mail() -> int:
    """Send what is due for some seconds, and put off, longer each time, what the server did not take.

    A server that cannot be reached ends the run, which has failed: each mail would wait for it in vain.
    """
    sent, until = 0, time.monotonic() + MAX_SECONDS
    for row in OutgoingMail.objects.due(timezone.now())[:BATCH]:
        if time.monotonic() > until:
            break
        # The next try is booked before this one: a worker that dies here sends late, and two never send at once.
        booked = OutgoingMail.objects.filter(pk=row.pk, attempts=row.attempts, sent_at=None).update(
            attempts=row.attempts + 1,
            next_attempt_at=None if row.attempts + 1 >= MAX_ATTEMPTS else timezone.now() + SEND_LEASE,
        )
        error = _send(row) if booked else None
        if error is not None and not _is_about_the_mail(error):
            raise periodic_jobs.JobFailed
        sent += bool(booked) and error is None
    return sent


def _send(row: OutgoingMail) -> OSError | ValueError | None:
    """Send one mail and return the error where it was not taken: smtplib's are OSErrors, a bad mail is a ValueError."""
    written = token_emails.write(row) if row.template else (row.subject, row.body)
    if written is None:
        row.delete()
        return None
    message = EmailMessage(*written, to=[wire_address(row.to)])
    try:
        message.send()
    except (OSError, ValueError) as error:
        logger.warning("mail %s was not taken: %s", row.pk, type(error).__name__)
        rows = OutgoingMail.objects.filter(pk=row.pk)
        rows.update(last_error=f"{type(error).__name__}: {error}"[:200])
        wait = min(MAX_BACKOFF, timedelta(seconds=30 * 2 ** min(row.attempts, 10)))
        rows.exclude(next_attempt_at=None).update(next_attempt_at=timezone.now() + wait)
        return error
    said = redact(getattr(message, "server_answer", ""))[:200]
    OutgoingMail.objects.filter(pk=row.pk).update(sent_at=timezone.now(), last_error="", server_answer=said)
    return None


def _is_about_the_mail(error: OSError | ValueError) -> bool:
    """Whether it is this one mail that cannot be sent: it is malformed, or the server answered and refused it."""
    refusals = (ValueError, smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError)
    return isinstance(error, refusals)


# The periodic job orgs.delete_ended_sessions (apps.py).
def delete_ended_sessions() -> int:
    """Remove sessions that have run out, and what the accounts' lists say of sessions that are gone."""
    forgotten = _forget(Session.objects.filter(expire_date__lt=timezone.now()))
    _forget(UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")))
    return forgotten


# The periodic job orgs.delete_old_mail (apps.py).
def delete_old_mail(now: datetime | None = None) -> int:
    """Remove mails a month after they were sent, and those that no server took three months after they were
    written; what is still tried stays.
    """
    moment = now or timezone.now()
    sent = Q(sent_at__lt=moment - SENT_RETENTION)
    given_up = Q(sent_at=None, next_attempt_at=None, created_at__lt=moment - CLOSED_RETENTION)
    return _forget(OutgoingMail.objects.filter(sent | given_up))


# The periodic job orgs.delete_old_invitations (apps.py).
def delete_old_invitations(now: datetime | None = None) -> int:
    """Remove invitations three months after they were accepted, withdrawn or ran out; the log has them."""
    before = (now or timezone.now()) - CLOSED_RETENTION
    closed = Q(closed_at__lt=before) & ~Q(status=InvitationStatus.SENT)
    return _forget(Invitation.objects.filter(closed | Q(status=InvitationStatus.SENT, expires_at__lt=before)))


def _forget(rows: QuerySet[Any]) -> int:
    """Some hundreds in a statement, so that none holds others up; what is left waits for the next run."""
    forgotten = 0
    for _round in range(MAX_DELETE_BATCHES):
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:DELETE_BATCH])
        forgotten += rows.filter(pk__in=keys).delete()[0]
        if len(keys) < DELETE_BATCH:
            break
    return forgotten

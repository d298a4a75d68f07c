"""Periodic jobs of this app: queue mail of notifications, send mail, delete expired rows."""

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
from apps.base.text.email_validation import ascii_email
from apps.base.text.redaction import redact
from apps.base.timestamps import time_zone_of
from apps.notices.models import Notice, Severity
from apps.notices.texts import notice_context
from apps.orgs.mail import outbox, token_emails
from apps.orgs.mail.recipients import recipients
from apps.orgs.models import Invitation, InvitationStatus, Membership, OrganizationStatus, OutgoingMail

logger = logging.getLogger(__name__)

BATCH = 50
# More notifications than this of one organization at once are combined into one mail per member.
MAX_SINGLE_MAILS = 3
# For this long after a mail, notifications above that number wait until they are combined into the next mail.
QUIET_PERIOD = timedelta(minutes=5)
QUIET_LOOKBACK = timedelta(days=2)
MAX_NOTICES_PER_RUN = 500
MAX_NOTICES_PER_MAIL = 20
MAX_ATTEMPTS = 20
DELETE_BATCH, MAX_DELETE_BATCHES = 500, 20
SENT_RETENTION, CLOSED_RETENTION = timedelta(days=30), timedelta(days=90)
MAX_BACKOFF = timedelta(hours=6)
# The budget of one run of sending, and the longest time of one mail, whose server can take EMAIL_TIMEOUT per reply.
MAX_SECONDS = 20.0
SEND_LEASE = timedelta(minutes=5)


# The periodic job orgs.write_notification_mail (apps.py).
def mail_notices() -> int:
    """Queue the mails of new notifications, each in the recipient's language; return how many were handled.

    More than three notifications of one organization in one run become one mail per member. After a mail the
    organization has a quiet period, so that many notifications within minutes become one mail every few minutes.
    """
    written = 0
    waiting = Notice.objects.awaiting_mail().order_by()
    organizations = list(waiting.values_list("organization_id", flat=True).distinct())
    # Organizations in their quiet period stay in the list: shuffled, so that they never block the others.
    random.shuffle(organizations)
    for organization_id in organizations[:BATCH]:
        try:
            written += _mail_notices_of(organization_id)
        except Exception:
            # An error of one organization must not delay the others.
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
    claimed = [notice for notice in waiting if _claim(notice)]
    _enqueue_mails(claimed)
    return len(claimed)


def _claim(notice: Notice) -> bool:
    """Claim a notification; return False if another worker claimed it."""
    return bool(Notice.objects.filter(pk=notice.pk, mailed_at=None).update(mailed_at=timezone.now()))


def _enqueue_mails(notices: list[Notice]) -> None:
    """Queue the mails of one organization's notifications; none if the organization is closed."""
    if not notices or notices[0].organization.status == OrganizationStatus.CLOSED:
        return
    rows = Membership.objects.filter(organization_id=notices[0].organization_id, user__is_active=True)
    members = [row for row in rows.select_related("user").order_by("pk") if not row.user.must_verify_address]
    notices_with_recipients = [(notice, {each.pk for each in recipients(notice, members)}) for notice in notices]
    for member in members:
        own_notices = [notice for notice, keys in notices_with_recipients if member.pk in keys]
        if len(own_notices) > MAX_SINGLE_MAILS:
            own_notices.sort(key=lambda notice: notice.severity != Severity.BAD)
            _enqueue_mail(member, "notices", own_notices)
        else:
            for notice in own_notices:
                _enqueue_mail(member, "notice", [notice])


def _enqueue_mail(member: Membership, template: str, notices: list[Notice]) -> None:
    organization, user = notices[0].organization, member.user
    with translation.override(user.language or "en"), timezone.override(time_zone_of(user.time_zone)):
        shown = [notice_context(notice, organization.slug) for notice in notices[:MAX_NOTICES_PER_MAIL]]
    context = {
        "notice": shown[0],
        "notices": shown,
        "number": len(notices),
        "more": len(notices) - len(shown),
        "organization": organization.name,
        "list_url": reverse("notices", args=[organization.slug]),
        "name": user.name,
    }
    outbox.enqueue(to=user.email, template=template, context=context, language=user.language)


# The periodic job orgs.send_mail (apps.py).
def send_due_mail() -> int:
    """Send due mail for up to 20 seconds, with backoff after failures; return how many were sent.

    Raises JobFailed if the server cannot be reached: every other mail would only time out too.
    """
    sent, deadline = 0, time.monotonic() + MAX_SECONDS
    for row in OutgoingMail.objects.due(timezone.now())[:BATCH]:
        if time.monotonic() > deadline:
            break
        # The lease is taken before sending: if the worker dies, the mail is sent later, and never by two at once.
        leased = OutgoingMail.objects.filter(pk=row.pk, attempts=row.attempts, sent_at=None).update(
            attempts=row.attempts + 1,
            next_attempt_at=None if row.attempts + 1 >= MAX_ATTEMPTS else timezone.now() + SEND_LEASE,
        )
        error = _send(row) if leased else None
        if error is not None and not _is_message_error(error):
            raise periodic_jobs.JobFailed
        sent += bool(leased) and error is None
    return sent


def _send(row: OutgoingMail) -> OSError | ValueError | None:
    """Send one mail; return the error if it failed: OSError from smtplib, ValueError for a malformed mail."""
    written = token_emails.render(row) if row.template else (row.subject, row.body)
    if written is None:
        row.delete()
        return None
    message = EmailMessage(*written, to=[ascii_email(row.to)])
    try:
        message.send()
    except (OSError, ValueError) as error:
        logger.warning("mail %s was not taken: %s", row.pk, type(error).__name__)
        rows = OutgoingMail.objects.filter(pk=row.pk)
        rows.update(last_error=f"{type(error).__name__}: {error}"[:200])
        wait = min(MAX_BACKOFF, timedelta(seconds=30 * 2 ** min(row.attempts, 10)))
        rows.exclude(next_attempt_at=None).update(next_attempt_at=timezone.now() + wait)
        return error
    response = redact(getattr(message, "server_answer", ""))[:200]
    OutgoingMail.objects.filter(pk=row.pk).update(sent_at=timezone.now(), last_error="", server_answer=response)
    return None


def _is_message_error(error: OSError | ValueError) -> bool:
    """Return whether the error concerns this mail only: it is malformed, or the server refused it."""
    refusals = (ValueError, smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError)
    return isinstance(error, refusals)


# The periodic job orgs.delete_ended_sessions (apps.py).
def delete_ended_sessions() -> int:
    """Delete expired sessions, and the session list's rows of sessions that no longer exist."""
    deleted = _delete(Session.objects.filter(expire_date__lt=timezone.now()))
    _delete(UserSession.objects.exclude(session_key__in=Session.objects.values("session_key")))
    return deleted


# The periodic job orgs.delete_old_mail (apps.py).
def delete_old_mail(now: datetime | None = None) -> int:
    """Delete mails 30 days after they were sent, and mails that failed permanently 90 days after creation."""
    now = now or timezone.now()
    sent = Q(sent_at__lt=now - SENT_RETENTION)
    failed = Q(sent_at=None, next_attempt_at=None, created_at__lt=now - CLOSED_RETENTION)
    return _delete(OutgoingMail.objects.filter(sent | failed))


# The periodic job orgs.delete_old_invitations (apps.py).
def delete_old_invitations(now: datetime | None = None) -> int:
    """Delete invitations 90 days after they were accepted or revoked or expired."""
    before = (now or timezone.now()) - CLOSED_RETENTION
    closed = Q(closed_at__lt=before) & ~Q(status=InvitationStatus.SENT)
    return _delete(Invitation.objects.filter(closed | Q(status=InvitationStatus.SENT, expires_at__lt=before)))


def _delete(rows: QuerySet[Any]) -> int:
    """Delete rows in batches, to keep locks short; the rest is left for the next run. Return how many."""
    deleted = 0
    for _batch in range(MAX_DELETE_BATCHES):
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:DELETE_BATCH])
        deleted += rows.filter(pk__in=keys).delete()[0]
        if len(keys) < DELETE_BATCH:
            break
    return deleted

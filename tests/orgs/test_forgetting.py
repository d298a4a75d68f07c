"""Rows of mails and invitations that are over go after their days; what is still to happen stays."""

from datetime import timedelta

import pytest
from django.utils import timezone

from apps.base.extension_points import periodic_jobs
from apps.orgs.mail import jobs
from apps.orgs.models import Invitation, InvitationStatus, OutgoingMail

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


def mail(written, **values):
    row = OutgoingMail.objects.create(to="ada@acme.example", subject="x", body="x")
    OutgoingMail.objects.filter(pk=row.pk).update(created_at=timezone.now() - written * DAY, **values)
    return row


def left(rows):
    return [each.pk for each in rows if type(each).objects.filter(pk=each.pk).exists()]


def test_mail_goes_a_month_after_it_was_sent_or_three_after_nobody_took_it(db):
    now = timezone.now()
    old = [
        mail(40, sent_at=now - 31 * DAY),
        mail(40, sent_at=now - 31 * DAY, next_attempt_at=None),
        mail(91, next_attempt_at=None, attempts=20),
    ]
    kept = [
        mail(400, next_attempt_at=now - 200 * DAY),
        mail(40, sent_at=now - 29 * DAY),
        mail(89, next_attempt_at=None, attempts=20),
    ]
    assert jobs.delete_old_mail() == len(old)
    assert left(old) == [] and left(kept) == [each.pk for each in kept]


def test_more_than_a_batch_goes_in_one_run(db, monkeypatch):
    monkeypatch.setattr(jobs, "DELETE_BATCH", 2)
    monkeypatch.setattr(jobs, "MAX_DELETE_BATCHES", 3)
    for _each in range(8):
        mail(40, sent_at=timezone.now() - 31 * DAY)
    assert [jobs.delete_old_mail() for _run in range(3)] == [6, 2, 0]


def invitation(acme, address, status, expires, closed=None):
    now = timezone.now()
    return Invitation.objects.create(
        organization=acme,
        email=f"{address}@acme.example",
        status=status,
        expires_at=now + expires * DAY,
        closed_at=None if closed is None else now + closed * DAY,
        invited_by_kind="user",
        invited_by_id="user_x",
        invited_by_label="Ada",
    )


def test_invitations_go_three_months_after_their_end(acme):
    accepted, revoked, expired, sent = (
        InvitationStatus.ACCEPTED, InvitationStatus.REVOKED, InvitationStatus.EXPIRED, InvitationStatus.SENT,
    )  # fmt: skip
    old = [
        invitation(acme, "a", accepted, -85, closed=-91),
        invitation(acme, "b", revoked, -90, closed=-91),
        invitation(acme, "c", expired, -99, closed=-91),
        invitation(acme, "d", sent, -91),
    ]
    kept = [
        invitation(acme, "e", accepted, -400, closed=-89),
        invitation(acme, "f", sent, -89),
        invitation(acme, "g", sent, 3),
    ]
    assert jobs.delete_old_invitations() == len(old)
    assert left(old) == [] and left(kept) == [each.pk for each in kept]


def test_every_worker_does_it():
    paths = {each.dotted_path for each in periodic_jobs.registered()}
    assert {"apps.orgs.mail.jobs.delete_old_mail", "apps.orgs.mail.jobs.delete_old_invitations"} <= paths

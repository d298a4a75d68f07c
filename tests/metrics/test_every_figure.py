"""Every figure is there from the first scrape, also before the first mail, backup or run of a job."""

import io
import math
import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone

from apps.audit.calls import group_commit, redis_stream
from apps.audit.models import AuditEntry, Unsealed
from apps.audit.seal import sealer
from apps.base.extension_points import periodic_jobs
from apps.base.identifiers import uuid_at
from apps.orgs.accounts.failed_sign_ins import Step
from apps.orgs.models import OutgoingMail
from apps.webhooks.stats import counters
from apps.webhooks.view_models.failure_labels import ERROR_LABELS
from integrations_portal.metrics.retention import LAG_BY_KIND
from tests.conventions.test_documentation import metric_names
from tests.metrics.scraping import families, labels, samples

pytestmark = pytest.mark.django_db


def test_every_name_is_there_from_the_first_scrape():
    filled = {each.name for family in families() for each in family.samples}
    assert sorted(name for name in metric_names() if not {name, f"{name}_count"} & filled) == []


def test_labels_that_are_known_are_there_from_the_first_scrape():
    found = samples()
    jobs = [each.name for each in periodic_jobs.registered()]
    assert len(jobs) > 25
    for job in jobs:
        assert [found[("portal_job_runs_total", labels(job=job, outcome=each))] for each in periodic_jobs.OUTCOMES] == [
            0
        ] * 3
        assert found[("portal_job_duration_seconds", labels(job=job))] == 0
        assert found[("portal_job_last_success_timestamp_seconds", labels(job=job))] == 0
    for step in Step:
        assert ("portal_sign_in_failures_total", labels(step=step)) in found
    assert [found[("portal_retention_lag_seconds", labels(kind=kind))] for kind in LAG_BY_KIND] == [0] * len(
        LAG_BY_KIND
    )
    # One that came with its first count would hide that one from rate() and increase().
    for outcome in ("succeeded", *ERROR_LABELS):
        assert found[("portal_webhook_attempts_total", labels(outcome=outcome))] == 0
    assert set(ERROR_LABELS) == set(counters.ATTEMPT_ERRORS)
    assert found[("portal_backup_last_success_timestamp_seconds", ())] == 0


def test_entries_without_a_seal_are_counted_and_the_oldest_has_an_age(acme):
    sealer.seal_due()
    assert samples()[("portal_audit_unsealed_entries", ())] == 0
    for minutes in (10, 2):
        made = AuditEntry(organization=acme, action="a.b", actor_kind="system", actor_label="x", target_kind="x",
                          pk=uuid_at(timezone.now() - timedelta(minutes=minutes)))  # fmt: skip
        made.save(force_insert=True)
    found = samples()
    assert found[("portal_audit_unsealed_entries", ())] == Unsealed.objects.count() == 2
    assert 599 < found[("portal_audit_oldest_unsealed_age_seconds", ())] < 700
    sealer.seal_due()
    assert samples()[("portal_audit_oldest_unsealed_age_seconds", ())] == 0


def test_a_backup_leaves_its_time(tmp_path, monkeypatch):
    before = timezone.now().timestamp()
    monkeypatch.setattr("integrations_portal.management.commands.backup.back_up", lambda _path: done)
    done: Any = type("Done", (), {"path": tmp_path, "vendor": "sqlite", "size": 1})
    call_command("backup", str(tmp_path / "copy"), stdout=io.StringIO())
    assert before - 1 < samples()[("portal_backup_last_success_timestamp_seconds", ())] < before + 60

    def fail(*_values: object) -> None:
        raise DatabaseError

    # Of a replica, which cannot be written: the backup is whole all the same.
    monkeypatch.setattr(counters, "set_total", fail)
    call_command("backup", str(tmp_path / "copy"), stdout=io.StringIO())


def test_calls_that_wait_in_redis_are_counted_and_unknown_while_it_is_away(settings, monkeypatch):
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(redis_stream, "count_pending", lambda: 7)
    assert samples()[("portal_api_calls_waiting", ())] == 7
    monkeypatch.setattr(redis_stream, "count_pending", lambda: None)
    assert math.isnan(samples()[("portal_api_calls_waiting", ())])


def outcomes(job: str) -> list[float]:
    counters.flush()
    found = samples()
    return [found[("portal_job_runs_total", labels(job=job, outcome=each))] for each in ("succeeded", "failed")]


def test_a_run_whose_mails_the_server_does_not_take_has_failed(monkeypatch):
    counters._unflushed.clear()
    OutgoingMail.objects.create(to="ada@acme.example", subject="s", body="b")
    (sweep,) = (each for each in periodic_jobs.registered() if each.name == "orgs.send_mail")
    monkeypatch.setattr(periodic_jobs, "_registered", {sweep.name: sweep})

    def answer_with(error: Exception) -> None:
        def send(_message: EmailMessage, *_arguments: object) -> None:
            raise error

        monkeypatch.setattr(EmailMessage, "send", send)
        OutgoingMail.objects.update(next_attempt_at=timezone.now() - timedelta(seconds=1))

    # A refusal of one mail is no fault of the run; a server that takes none is.
    answer_with(smtplib.SMTPRecipientsRefused({"ada@acme.example": (550, b"no such user")}))
    assert periodic_jobs.run_all(counters.record_job_run) == 0 and outcomes(sweep.name) == [1, 0]
    answer_with(smtplib.SMTPServerDisconnected("gone"))
    assert periodic_jobs.run_all(counters.record_job_run) == 1 and outcomes(sweep.name) == [1, 1]


def test_what_workers_count_as_well_is_added(monkeypatch):
    name = "portal_api_calls_lost_total"
    counters._worker_values.clear()
    counters._unflushed.clear()
    counters._copy_shared()
    counters._unflushed.clear()
    before = samples()[(name, ())]
    group_commit.LOST.inc(3)
    assert samples()[(name, ())] == before + 3
    # As if it had been another process: a worker brings it into the table once, and serves no page.
    counters.report_worker()
    counters.report_worker()
    assert samples()[(name, ())] == before + 6

    def fail(*_arguments: object, **_given: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(counters.EngineTotal.objects, "filter", fail)
    assert samples()[(name, ())] == before + 6, "a counter never goes back"
    counters._worker_values.clear()

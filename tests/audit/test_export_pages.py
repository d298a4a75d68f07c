"""Export from the page: at once or as a job, its page in each state, who may, and what is recorded."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from apps.audit.calls.recording import record_call
from apps.audit.exports import jobs, views
from apps.audit.models import AuditEntry, AuditExport, ExportStatus, Seal
from apps.audit.seal import checkpoints, sealer
from apps.base.rest.request_identity import AuthResult
from tests.audit.conftest import call_arguments, change, key_actor, person

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/integration/audit/"


def send(browser: Any, **fields: str) -> Any:
    return browser.post(f"{HERE}export/", fields)


@pytest.fixture
def filled(organization) -> Any:
    ada = person(organization)
    change(ada, target_label="Sync")
    sealer.seal_due()
    record_call(**call_arguments(AuthResult(actor=key_actor(organization))))
    return ada


@pytest.fixture
def job(browser_of, ann, filled, monkeypatch) -> AuditExport:
    """One that Ann began, because more matches than is sent at once."""
    monkeypatch.setattr(views, "MAX_STREAMED_ROWS", 1)
    answer = send(browser_of(ann), format="jsonl")
    row = AuditExport.objects.get()
    assert (answer.status_code, answer["Location"]) == (302, f"{HERE}exports/{row.public_id}/")
    return row


def finish(job: AuditExport) -> None:
    sealer.seal_due()
    jobs.advance()
    jobs.advance()
    job.refresh_from_db()
    assert job.status == ExportStatus.DONE


def test_few_rows_come_at_once(browser_of, ada, filled):
    answer = send(browser_of(ada), format="jsonl", category="change", actor=filled.id)
    assert answer["Content-Disposition"].startswith('attachment; filename="acme-audit-log-')
    (row,) = [json.loads(line) for line in answer.getvalue().splitlines()]
    assert row["target"]["label"] == "Sync" and row["seq"] == 1
    entry = AuditEntry.objects.get(action="audit.exported")
    assert entry.changes["category"] == [None, "change"] and not AuditExport.objects.exists()


def test_days_of_the_form_are_the_readers(browser_of, ada, filled):
    today = timezone.localdate()
    answer = send(browser_of(ada), format="csv", since=today.isoformat(), until=today.isoformat())
    assert answer.getvalue().count(b"\r\n") > 1
    answer = send(browser_of(ada), format="csv", until=(today - timedelta(days=1)).isoformat())
    assert answer.getvalue().count(b"\r\n") == 1


def test_what_is_no_filter_goes_back_with_a_reason(browser_of, ada, filled):
    answer = browser_of(ada).post(f"{HERE}export/", {"format": "csv", "since": "soon"}, follow=True)
    assert answer.redirect_chain == [(f"{HERE}?since=soon", 302)]
    assert "can&#x27;t be used" in answer.content.decode()
    for file_format in ("", "xml"):
        assert send(browser_of(ada), format=file_format).status_code == 400


def test_a_job_from_beginning_to_file(browser_of, ada, ann, job):
    page = f"{HERE}exports/{job.public_id}/"
    html = browser_of(ada).get(page).content.decode()
    assert "Estimating" in html and 'data-poll="' in html and "Ann" in html and "Stop" in html
    finish(job)
    part = browser_of(ada).get(f"{page}?part=progress").content.decode()
    assert "data-settled" in part and "Download JSON Lines" in part and "<html" not in part
    answer = browser_of(ada).post(f"{page}file/")
    body = answer.getvalue()
    assert int(answer["Content-Length"]) == len(body) and len(body.splitlines()) == job.written
    entry = AuditEntry.objects.get(action="audit.export_downloaded")
    assert (entry.actor_label, entry.target_id) == ("Ada", job.public_id)
    assert job.public_id in browser_of(ann).get(HERE).content.decode()


def test_stopping_it(browser_of, ada, job):
    page = f"{HERE}exports/{job.public_id}/"
    answer = browser_of(ada).post(f"{page}cancel/", follow=True)
    assert "It was stopped" in answer.content.decode() and "Download" not in answer.content.decode()
    assert (
        browser_of(ada).post(f"{page}file/", follow=True).content.decode().count("There is no file of this export") == 1
    )


@pytest.mark.parametrize(
    ("status", "words"),
    [("running", "rows written"), ("failed", "Something went wrong on our side"), ("expired", "Its file is gone")],
)
def test_the_page_in_other_states(browser_of, ada, job, status: str, words: str):
    AuditExport.objects.update(status=status, count=5, filters={"category": "change", "action": "api_key.created",
                                                                "since": "2026-11-22T10:00:00Z"})  # fmt: skip
    html = browser_of(ada).get(f"{HERE}exports/{job.public_id}/").content.decode()
    assert words in html and "API key created" in html and "22 Nov 2026" in html


def test_a_fourth_at_a_time_is_refused_with_a_reason(browser_of, ann, job):
    for _ in range(2):
        send(browser_of(ann), format="csv")
    answer = browser_of(ann).post(f"{HERE}export/", {"format": "csv"}, follow=True)
    assert "3 exports are under way" in answer.content.decode() and AuditExport.objects.count() == 3


def test_who_may(browser_of, ada, dev, vera, zed, client, job):
    page = f"{HERE}exports/{job.public_id}/"
    for user, status in ((dev, 403), (vera, 403), (zed, 404)):
        browser = browser_of(user)
        answers = [
            send(browser, format="csv"),
            browser.get(page),
            browser.post(f"{page}cancel/"),
            browser.post(f"{page}file/"),
        ]
        assert [answer.status_code for answer in answers] == [status] * 4
    html = browser_of(dev).get(HERE).content.decode()
    assert "Only owners and admins can export" in html and "JSON Lines" not in html
    assert "JSON Lines" in browser_of(ada).get(HERE).content.decode()
    assert browser_of(ada).get(f"{HERE}export/").status_code == 405


def test_the_right_is_asked_for_at_the_download_too(browser_of, ann, acme, job):
    finish(job)
    browser = browser_of(ann)
    ann.memberships.update(role="developer")
    assert browser.post(f"{HERE}exports/{job.public_id}/file/").status_code == 403
    ann.memberships.all().delete()
    assert browser.post(f"{HERE}exports/{job.public_id}/file/").status_code == 404


def test_another_organizations_export_is_not_found(browser_of, zed, job):
    page = f"/o/rival/settings/integration/audit/exports/{job.public_id}/"
    browser = browser_of(zed)
    answers = [browser.get(page), browser.post(f"{page}cancel/"), browser.post(f"{page}file/")]
    assert [answer.status_code for answer in answers] == [404] * 3


def test_a_checkpoint_to_keep_elsewhere(browser_of, ada, dev, filled):
    assert "None yet" in browser_of(ada).get(HERE).content.decode()
    answer = browser_of(ada).post(f"{HERE}checkpoint/")
    document = json.loads(answer.content)
    assert checkpoints.is_signed(document) and document["seq"] == Seal.objects.count()
    name = f"acme-audit-checkpoint-{document['seq']}.json"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    html = browser_of(dev).get(HERE).content.decode()
    assert document["hash"] in html and "Sign and download" not in html
    assert browser_of(dev).post(f"{HERE}checkpoint/").status_code == 403


def test_nothing_to_sign(browser_of, ada):
    answer = browser_of(ada).post(f"{HERE}checkpoint/", follow=True)
    assert "There is nothing to sign yet" in answer.content.decode()

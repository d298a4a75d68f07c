"""Periodic jobs: one table in the code, in the documentation and in the admin, and none stops another."""

import inspect
import re
import time
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.module_loading import import_string

from apps.base.extension_points import periodic_jobs
from apps.webhooks.models import EngineTotal
from apps.webhooks.stats import counters
from integrations_portal.admin_site.jobs import jobs
from tests.conventions.tree import read
from tests.faults.processes import running

ROW = re.compile(r"^\| `(\w+\.\w+)` \| ([\d.]+) s \| (\d+) s \| `(\w+)` \| (.+) \|$", re.MULTILINE)


@pytest.mark.pure
def test_the_documented_table_is_that_of_the_code():
    table = read("docs/operate.md").partition("## Periodic jobs")[2].partition("\n## ")[0]
    given = [
        (each.name, each.every_seconds, each.budget_seconds, each.owner, each.does)
        for each in periodic_jobs.registered()
    ]
    assert len(given) > 25
    assert [
        (name, float(every), float(time), owner, does) for name, every, time, owner, does in ROW.findall(table)
    ] == given


@pytest.mark.pure
def test_a_job_belongs_to_the_app_of_its_name():
    assert [
        each.name for each in periodic_jobs.registered() if not each.dotted_path.startswith(f"apps.{each.owner}.")
    ] == []


@pytest.mark.pure
@pytest.mark.parametrize("job", periodic_jobs.registered(), ids=lambda job: job.name)
def test_a_job_is_named_where_its_work_is_done(job):
    lines, first = inspect.findsource(import_string(job.dotted_path))
    assert lines[first - 1] == f"# The periodic job {job.name} (apps.py).\n"


@pytest.mark.django_db
def test_operators_see_every_job_and_its_last_run(working_operator, browser_of, ada):
    counters._unflushed.clear()
    counters._latest.clear()
    counters.record_job_run("audit.seal_entries", periodic_jobs.SUCCEEDED, 0.25)
    counters.record_job_run("orgs.send_mail", periodic_jobs.SUCCEEDED, 1)
    counters.record_job_run("orgs.send_mail", periodic_jobs.OVERRAN, 60)
    counters.flush()
    found = {each.definition.name: each for each in jobs()}
    sealing, mail, unused = (
        found[name] for name in ("audit.seal_entries", "orgs.send_mail", "webhooks.advance_replays")
    )
    assert (sealing.seconds, sealing.succeeded, sealing.failed_at, sealing.has_failed) == (0.25, 1, None, False)
    assert sealing.ran_at == sealing.done_at and (datetime.now(UTC) - sealing.ran_at).total_seconds() < 60
    assert (mail.seconds, mail.succeeded, mail.overran, mail.has_failed) == (60, 1, 1, True)
    assert (unused.ran_at, unused.done_at, unused.succeeded) == (None, None, 0)
    olga = browser_of(working_operator)
    page = olga.get(reverse("admin:jobs")).content.decode()
    assert [each.name for each in periodic_jobs.registered() if each.name not in page] == []
    assert f"{mail.ran_at:%Y-%m-%d %H:%M:%S}" in page and "60.00&nbsp;s" in page and "never" in page
    assert reverse("admin:jobs") in olga.get("/admin/").content.decode()
    # It is for operators, and reads only.
    assert browser_of(ada).get(reverse("admin:jobs")).status_code == 302
    assert Client().get(reverse("admin:jobs")).status_code == 302


@pytest.mark.faults
@pytest.mark.django_db(transaction=True)
def test_in_a_real_worker_a_job_that_fails_or_hangs_stops_no_other():
    def count(outcome: str, name: str) -> float:
        return EngineTotal.objects.filter(name=f"job:{outcome}:{name}").values_list("value", flat=True).first() or 0

    def reaches(outcome: str, name: str, wanted: float) -> None:
        deadline = time.monotonic() + 40
        while count(outcome, name) < wanted:
            assert time.monotonic() < deadline, (outcome, name, count(outcome, name))
            time.sleep(0.2)

    with running(["-m", "tests.metrics.troubled_worker"], {}):
        reaches("overran", "a.hang", 1)
        reaches("failed", "a.fail", 2)
        before = count("succeeded", "audit.seal_entries")
        reaches("succeeded", "audit.seal_entries", before + 2)
        reaches("succeeded", "orgs.send_mail", 1)
        assert count("overran", "a.hang") == 1, "it is not begun again while it runs"

"""Periodic jobs of a worker: one that raises, or waits for an external server, delays no other."""

import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client

from apps.base.extension_points import periodic_jobs
from apps.orgs.models import OutgoingMail
from apps.webhooks.models import EngineTotal, WorkerBeat
from apps.webhooks.stats import counters
from tests.servers import HOST

TOKEN = {"Authorization": "Bearer metrics-token-of-the-tests"}
HERE = "tests.base.test_sweeps"
released, calls = threading.Event(), []


def hang() -> None:
    calls.append("hang")
    assert released.wait(30)


def work() -> None:
    calls.append("work")


def fail() -> None:
    raise RuntimeError("as always")


def until(check: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Registers jobs in place of the product's, and records their runs in a list."""
    monkeypatch.setattr(periodic_jobs, "_registered", {})
    calls.clear()
    released.clear()

    def register(name: str, dotted_path: str, every_seconds: float, budget_seconds: float = 10, **given: Any) -> None:
        periodic_jobs.register(
            periodic_jobs.PeriodicJob(name, dotted_path, every_seconds, budget_seconds, "Of a test.", **given)
        )

    yield register
    released.set()


@pytest.fixture
def sweeping() -> Iterator[Callable[..., None]]:
    stop, threads = threading.Event(), []
    yield lambda tell=tell: threads.append(periodic_jobs.PeriodicJobRunner(stop, tell).start())
    released.set()
    stop.set()
    for thread in threads:
        thread.join(10)


told: list[tuple[str, str]] = []


def tell(name: str, outcome: str, seconds: float) -> None:
    told.append((name, outcome))


def test_a_sweep_over_its_budget_and_one_that_raises_hold_up_no_other(only, sweeping):
    told.clear()
    only("a.hang", f"{HERE}.hang", 0.1, budget_seconds=0.2)
    only("b.fail", f"{HERE}.fail", 0.1)
    only("c.work", f"{HERE}.work", 0.1)
    sweeping()
    until(lambda: calls.count("work") >= 3)
    assert calls.count("hang") == 1, "it is not begun again while it runs"
    assert told.count(("a.hang", "overran")) == 1 and ("b.fail", "failed") in told and ("c.work", "succeeded") in told
    released.set()
    until(lambda: calls.count("hang") >= 2)
    until(lambda: ("a.hang", "succeeded") in told)


def test_another_lane_does_not_wait_at_all(only, sweeping):
    only("a.hang", f"{HERE}.hang", 0.1, lane="mail", budget_seconds=60)
    only("c.work", f"{HERE}.work", 0.1)
    sweeping()
    until(lambda: calls.count("work") >= 2)
    assert calls.count("hang") == 1


@pytest.fixture
def slow_mail(settings: Any) -> Iterator[None]:
    """A mail server whose greeting is slow."""

    class Slow(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            released.wait(30)

    with socketserver.ThreadingTCPServer((HOST, 0), Slow) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.EMAIL_BACKEND = "apps.orgs.mail.backends.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        yield
        released.set()
        server.shutdown()


@pytest.mark.django_db(transaction=True)
def test_a_slow_mail_server_holds_up_mail_only(slow_mail, sweeping):
    released.clear()
    for number in range(3):
        OutgoingMail.objects.create(to=f"{number}@x.example", subject="s", body="b")
    sweeping(counters.record_job_run)
    until(lambda: OutgoingMail.objects.filter(attempts=1).exists())
    until(WorkerBeat.objects.exists)
    until(lambda: EngineTotal.objects.filter(name="job:succeeded:audit.seal_entries").exists())
    assert OutgoingMail.objects.filter(sent_at=None).count() == 3
    text = Client().get("/metrics", headers=TOKEN).content.decode()
    assert "portal_workers 1.0" in text and "portal_mail_waiting 3.0" in text
    assert 'portal_job_runs_total{job="audit.seal_entries",outcome="succeeded"}' in text


@pytest.mark.django_db
def test_figures_of_jobs_are_added_up_over_workers_and_the_last_run_counts():
    for seconds in (2.5, 0.5):
        counters.record_job_run("orgs.send_mail", "succeeded", seconds)
        counters.flush()
    counters.record_job_run("orgs.send_mail", "overran", 60)
    counters.record_job_run("audit.make_digests", "failed", 0.1)
    counters.flush()
    text = Client().get("/metrics", headers=TOKEN).content.decode()
    for line in (
        'portal_job_runs_total{job="orgs.send_mail",outcome="succeeded"} 2.0',
        'portal_job_runs_total{job="orgs.send_mail",outcome="overran"} 1.0',
        'portal_job_runs_total{job="audit.make_digests",outcome="failed"} 1.0',
        'portal_job_duration_seconds{job="orgs.send_mail"} 60.0',
    ):
        assert line in text
    done_at = [line for line in text.splitlines() if line.startswith("portal_job_last_success_timestamp_seconds{")]
    (known,) = (float(line.split()[1]) for line in done_at if not line.endswith(" 0.0"))
    assert abs(known - time.time()) < 60 and len(done_at) == len(periodic_jobs.registered())
    assert "portal_mail_waiting 0.0" in text and "portal_mail_oldest_age_seconds 0.0" in text


def test_every_job_is_named_within_the_column():
    longest = EngineTotal._meta.get_field("name").max_length
    for sweep in periodic_jobs.registered():
        assert len(f"job:succeeded:{sweep.name}") <= longest

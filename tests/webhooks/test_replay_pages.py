"""Counting and starting a replay, and its page."""

import pytest
from django.utils import timezone

from apps.base.actor import system
from apps.webhooks import actions
from apps.webhooks.models import Delivery, ReplayJob
from tests.engines import publish
from tests.webhooks.pages import HERE, at, make, text_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def endpoint(acme):
    return make(acme, rate_limit_per_second=2)


@pytest.fixture
def failed(acme, endpoint):
    for _number in range(5):
        publish(acme)
    Delivery.objects.update(status="exhausted", next_attempt_at=None, last_error="http_error")
    return endpoint


def start(browser, endpoint, **values):
    return browser.post(at(endpoint, "replay/"), {"status": ["exhausted"], **values})


def test_the_page_counts_before_anything_is_sent(browser_of, dev, failed):
    browser = browser_of(dev)
    assert "5 events near 3 seconds at 2 per second" in text_of(browser.get(at(failed, "replay/")))
    assert "0 events Nothing of this choice" in text_of(browser.get(at(failed, "replay/?event_types=invoice.paid")))
    page = start(browser, failed, count="1", rate_per_second="1")
    assert page.status_code == 200 and "near 5 seconds" in text_of(page) and not ReplayJob.objects.exists()


def test_a_link_fills_in_since_when(browser_of, dev, failed):
    moment = timezone.now().replace(second=0, microsecond=0)
    page = browser_of(dev).get(at(failed, f"replay/?status=exhausted&from={moment.timestamp():.0f}"))
    assert timezone.localtime(moment).strftime('value="%Y-%m-%dT%H:%M"') in page.content.decode()
    odd_ones = ("from=x", "from=99999999999999", "status=nonsense", "since=yesterday", "event_types=a.b")
    for odd in (*odd_ones, "rate_per_second=-1"):
        assert browser_of(dev).get(at(failed, f"replay/?{odd}")).status_code == 200


def test_a_job_has_its_page_and_is_stopped_there(browser_of, dev, vera, failed):
    browser = browser_of(dev)
    answer = start(browser, failed, rate_per_second="7")
    job = ReplayJob.objects.get()
    here = f"{HERE}replays/{job.public_id}/"
    assert answer["Location"] == here and (job.count, job.rate_per_second) == (5, 7)
    page = browser.get(here)
    assert "0 of 5 queued" in text_of(page) and "<progress" in page.content.decode() and "Stop" in text_of(page)
    part = browser_of(vera).get(here + "?part=progress").content.decode()
    assert "0 of 5 queued" in part and "<html" not in part and "Stop</button>" not in part
    browser.post(here + "cancel/")
    assert "5 events were not sent" in text_of(browser.get(here))
    assert browser.post(here + "cancel/", follow=True).status_code == 200
    assert job.public_id in browser.get(at(failed, "replay/")).content.decode()


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"succeeded": 5}, "Done"),
        ({"succeeded": 3, "failed": 2}, "See what failed"),
        ({"succeeded": 3, "count_again_at": timezone.now}, "some are still on their way"),
        ({"status": "paused", "finished_at": None}, "It goes on by itself once the endpoint is enabled"),
    ],
)
def test_every_state_of_a_job_is_told(browser_of, dev, failed, values, says):
    start(browser_of(dev), failed)
    done = {"status": "done", "sent": 5, "finished_at": timezone.now(), "count_again_at": None}
    given = {name: value() if callable(value) else value for name, value in values.items()}
    ReplayJob.objects.update(**{**done, **given})
    page = browser_of(dev).get(f"{HERE}replays/{ReplayJob.objects.get().public_id}/")
    assert says in text_of(page)


def test_nothing_starts_for_an_endpoint_that_is_off_or_for_nothing(browser_of, dev, acme, failed):
    page = start(browser_of(dev), failed, event_types="invoice.paid")
    assert page.status_code == 200 and not ReplayJob.objects.exists()
    actions.pause_endpoint(actor=system(acme.pk), endpoint_id=failed.public_id)
    page = start(browser_of(dev), failed)
    assert page.status_code == 422 and "This endpoint is off" in text_of(page) and not ReplayJob.objects.exists()


@pytest.mark.parametrize(
    "slip", [{"status": []}, {"status": ["held"]}, {"rate_per_second": "0"}, {"since": "x"},
             {"since": "2026-11-02T00:00", "until": "2026-11-01T00:00"}]
)  # fmt: skip
def test_an_invalid_period_is_explained(browser_of, dev, failed, slip):
    assert start(browser_of(dev), failed, **slip).status_code == 422
    assert not ReplayJob.objects.exists()


def test_strangers_and_viewers(browser_of, dev, vera, zed, failed):
    assert start(browser_of(vera), failed).status_code == 403
    assert start(browser_of(zed), failed).status_code == 404
    start(browser_of(dev), failed)
    here = f"{HERE}replays/{ReplayJob.objects.get().public_id}/"
    assert browser_of(zed).get(here).status_code == 404
    assert browser_of(zed).get(here.replace("acme", "rival")).status_code == 404
    assert browser_of(vera).post(here + "cancel/").status_code == 403

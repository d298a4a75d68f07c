"""Notifications about an endpoint close with it, and a 410 is reported as a 410."""

from typing import Any

import pytest

from apps.notices.models import Notice
from apps.orgs.models import Organization
from apps.webhooks import actions
from apps.webhooks.engine import endpoint_health
from apps.webhooks.models import Endpoint
from tests.engines import developer, make_endpoint

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/integration/"


def fail(endpoint: Endpoint) -> None:
    endpoint_health.update_health(
        {endpoint_health.AttemptTarget(endpoint.pk, endpoint.url): endpoint_health.Tally(failures=12)}
    )


def test_notices_of_a_deleted_endpoint_close_and_lead_nowhere_else(
    acme: Organization, browser_of: Any, ada: Any
) -> None:
    endpoint, other = make_endpoint(acme), make_endpoint(acme, "https://other.example/in")
    for each in (endpoint, other):
        fail(each)
    endpoint_health.update_health(
        {endpoint_health.AttemptTarget(endpoint.pk, endpoint.url): endpoint_health.Tally(succeeded=True)}
    )
    fail(endpoint)
    endpoint_health.disable(endpoint.pk, "gone")
    assert Notice.objects.open().count() == 4
    actions.delete_endpoint(actor=developer(acme), endpoint_id=endpoint.public_id)
    (left,) = Notice.objects.open()
    assert other.public_id in left.path
    gone = Notice.objects.filter(dedupe_key__contains=endpoint.public_id)
    assert {(each.path, each.mail_wanted) for each in gone} == {("settings/integration/webhooks/", False)}
    browser = browser_of(ada)
    assert {browser.get(f"/o/acme/{each.path}").status_code for each in Notice.objects.all()} == {200}


def test_a_410_is_called_a_410(acme: Organization, browser_of: Any, ada: Any) -> None:
    gone, failed = make_endpoint(acme, "https://gone.example/in"), make_endpoint(acme, "https://failed.example/in")
    endpoint_health.disable(gone.pk, "gone")
    page = browser_of(ada).get(HERE).content.decode()
    assert "It answered 410 Gone" in page and "five days" not in page
    Endpoint.objects.filter(pk=gone.pk).update(disabled_reason="failing")
    Endpoint.objects.filter(pk=failed.pk).update(status="paused")
    page = browser_of(ada).get(HERE).content.decode()
    assert "It failed for five days. Its events are held until it is enabled." in page

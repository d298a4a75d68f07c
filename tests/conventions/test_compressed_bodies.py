"""A compressed body is read by no path: 415 on every change of the API and on every form, and nothing happens."""

import gzip

import pytest

from apps.audit.models import AuditEntry
from tests.conftest import Api
from tests.conventions.routes import routes_for
from tests.conventions.test_conditions_walk import CHANGES, key_for

pytestmark = pytest.mark.django_db
CODED = {"Content-Encoding": "gzip"}


def test_no_path_of_the_api_reads_one(samples, admin_key):
    entries, headers = AuditEntry.objects.count(), {**CODED, "X-Activation-Token": samples.device_token}
    for route, method in CHANGES:
        if method == "DELETE":
            continue
        send = getattr(Api(key_for(route, samples, admin_key)), method.lower())
        answer = send(route.at(**samples.real(route)), gzip.compress(b"{}"), headers=headers)
        assert (answer.status_code, answer["Accept-Encoding"]) == (415, "identity"), (route, answer.content)
    assert AuditEntry.objects.count() == entries


def test_no_page_reads_one(samples, ada, browser_of):
    browser = browser_of(ada)
    for route in routes_for("page"):
        if "POST" in route.methods:
            answer = browser.post(route.at(slug="acme", **samples.real(route)), b"x", "text/plain", headers=CODED)
            assert (answer.status_code, answer["Accept-Encoding"]) == (415, "identity"), route

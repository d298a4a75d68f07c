"""Every POST of the API honours ``Idempotency-Key``: found by the URLconf, so that a new route is in it."""

from typing import Any

import pytest

from tests.conftest import Api, Key
from tests.conventions.conftest import Samples
from tests.conventions.test_mass_assignment import CASES, GOOD, Case, everything

pytestmark = pytest.mark.django_db

POSTS = [case for case in CASES if case.method == "POST"]
TAKES_IT = [case for case in POSTS if case.route.view.view_class.operations["POST"].idempotent]


def post(case: Case, samples: Samples, key: Key, text: str) -> Any:
    path = case.route.at(**samples.real(case.route))
    return Api(key).post(path, GOOD.get(case.route.name, {}), headers={"Idempotency-Key": text})


@pytest.mark.parametrize("case", TAKES_IT, ids=str)
def test_it_is_looked_at_before_anything_is_changed(case, samples, admin_key):
    """Where it were not, the body would not be read by ``validated``, and a repeat would change things again."""
    before = everything()
    answer = post(case, samples, admin_key, "not visible")
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["Idempotency-Key"])
    assert everything() == before


@pytest.mark.parametrize("case", TAKES_IT, ids=str)
def test_a_repeat_changes_nothing(case, samples, admin_key):
    first = post(case, samples, admin_key, "one")
    assert first.status_code < 300 or first.status_code == 409, first.json()
    after = everything()
    again = post(case, samples, admin_key, "one")
    assert (again.status_code, again.headers.get("Idempotency-Replayed")) == (first.status_code, "true")
    shown = {name: value for name, value in first.json().items() if name not in ("key", "secret")}
    assert again.json() == shown
    assert everything() == after


def test_only_key_checks_leak_reports_and_devices_ignore_the_header():
    ignoring = {case.route.path for case in POSTS if case not in TAKES_IT}
    assert ignoring <= {"/v1/api-keys/verify", "/v1/leaked-keys"} | {path for path in ignoring if "/v1/sdk/" in path}
    assert len(TAKES_IT) >= 10

"""Reports of leaked keys as operators see them: counted where there is such a key, and no others."""

import pytest
from django.test import Client

from tests.conftest import Key
from tests.metrics.scraping import samples

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(("ending", "counted"), [("", 1), ("x", 0)])
def test_a_report_counts_where_there_is_such_a_key(acme_key: Key, ending: str, counted: int):
    before = samples()[("portal_leaked_keys_total", ())]
    answer = Client().post("/v1/leaked-keys", {"key": acme_key.text + ending}, content_type="application/json")
    assert answer.status_code == 202
    assert samples()[("portal_leaked_keys_total", ())] - before == counted

"""The audit page: who may open it, what it shows, filters as people type them, pages."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.html import escape

from apps.audit import views
from apps.audit.calls.recording import record_call
from apps.audit.forms import page_filters
from apps.audit.seal import sealer
from apps.base.errors import Invalid
from apps.base.identifiers import encode
from apps.base.rest.request_identity import AuthResult
from tests.audit.conftest import call_arguments, change, key_actor, make_request, person
from tests.audit.test_timeline import attempt

pytestmark = pytest.mark.django_db
PAGE = "/o/acme/settings/integration/audit/"


@pytest.fixture
def shown(browser_of: Any, dev: Any) -> Any:
    """Opens the page as a developer and returns the template's context and the HTML."""

    def open_page(query: str = "") -> tuple[Any, str]:
        answer = browser_of(dev).get(f"{PAGE}?{query}")
        assert answer.status_code == 200
        return answer.context, answer.content.decode()

    return open_page


def test_an_entry_with_what_it_changed(organization, shown):
    entry = change(person(organization), target_label="<b>Sync", changes={"name": [None, "Sync & Co"]})
    _context, html = shown()
    for text in ("Ada created the API key <b>Sync", "Sync & Co", "203.0.113.24", "Browser/1", entry.request_id):
        assert escape(text) in html
    assert "<b>Sync" not in html and entry.public_id in html and "<details" in html


def test_calls_stand_beside_changes(organization, shown):
    record_call(**call_arguments(AuthResult(actor=key_actor(organization)), status=429))
    context, html = shown()
    assert [(entry["category"], entry["outcome"]) for entry in context["entries"]] == [("api_call", "denied")]
    assert "Sync called GET /v1/users" in html


def test_an_empty_log_and_no_match_differ(shown):
    context, html = shown()
    assert (context["entries"], context["filtered"], context["is_first"]) == ([], False, True)
    assert "Nothing here yet" in html
    context, html = shown("category=change&action=")
    assert context["filtered"] and "Clear filters" in html


@pytest.mark.parametrize("query", ["request_id=x", "since=soon", "until=9999-12-31", "category=x", "key=x"])
def test_what_can_match_nothing_is_no_match(organization, shown, query: str):
    change(person(organization))
    context, html = shown(query)
    assert context["entries"] == [] and "Clear filters" in html


def test_filters_are_kept_as_typed(organization, shown):
    ada = person(organization)
    change(ada)
    today = timezone.localdate().isoformat()
    context, html = shown(
        f"since={today}&until={today}&actor={ada.id}&request_id=+request-12345678+&action=api_key.created"
    )
    assert len(context["entries"]) == 1
    assert 'value="request-12345678"' in html and html.count(f'value="{today}"') == 2
    assert re.search(r'<option value="api_key.created" selected', html)
    assert shown("until=2020-01-01")[0]["entries"] == []


def test_days_are_the_readers(organization):
    with timezone.override("Europe/Paris"):
        filters = page_filters({"since": "2026-07-01", "until": "2026-07-01"})
        with pytest.raises(Invalid):
            page_filters({"since": "0001-01-01"})
    assert filters.since == datetime(2026, 6, 30, 22, tzinfo=UTC) and filters.until - filters.since == timedelta(days=1)


def test_pages_by_cursor(organization, shown, monkeypatch):
    monkeypatch.setattr(views, "PER_PAGE", 2)
    for number in range(3):
        change(person(organization), target_label=str(number))
    first, html = shown("category=change")
    assert f"cursor={first['next_cursor']}" in html
    second, _html = shown(f"category=change&cursor={first['next_cursor']}")
    labels = [entry["target_label"] for entry in (*first["entries"], *second["entries"])]
    assert labels == ["2", "1", "0"] and not second["is_first"] and second["next_cursor"] == ""


def test_a_cursor_of_somebodys_making_is_refused(browser_of, dev):
    assert browser_of(dev).get(f"{PAGE}?cursor=nonsense").status_code == 400


def test_who_may_open_it(browser_of, client, ada, ann, dev, vera, zed):
    for somebody, status in ((ada, 200), (ann, 200), (dev, 200), (vera, 403), (zed, 404)):
        assert browser_of(somebody).get(PAGE).status_code == status
    assert client.get(PAGE).status_code == 302


def test_only_the_own_organization(other, shown):
    change(person(other))
    record_call(**call_arguments(AuthResult(actor=key_actor(other))))
    assert shown()[0]["entries"] == []


def test_a_constant_number_of_queries(organization, browser_of, dev):
    def queries(rows: int) -> int:
        for _ in range(rows):
            change(person(organization))
            record_call(**call_arguments(AuthResult(actor=key_actor(organization))))
        with CaptureQueriesContext(connection) as captured:
            browser.get(PAGE)
        return len(captured)

    browser = browser_of(dev)
    browser.get(PAGE)
    assert queries(1) == queries(30)


def test_the_filters_offer_names_and_words(shown, dev, acme_key):
    context, html = shown()
    assert f'<option value="{dev.public_id}">Dev</option>' in html
    assert f'<option value="{acme_key.row.public_id}">Acme&#x27;s key · ipk_' in html
    assert '<option value="api_key.revoked">API key revoked</option>' in html and ">api_key.revoked<" not in html
    assert '<optgroup label="API keys">' in html and context["choices"]["who"]["value"] == ""


def test_what_is_chosen_stays_chosen_though_it_is_not_offered(organization, shown):
    gone = person(organization)
    change(gone)
    _context, html = shown(f"actor={gone.id}")
    assert f'<option value="{gone.id}" selected>' in html and "Ada created" in html


def test_whether_a_change_is_sealed(organization, shown):
    change(person(organization))
    assert "Not sealed yet" in shown()[1]
    sealer.seal_due()
    assert "Sealed as no. 1" in shown()[1]


def test_links_lead_both_ways(organization, shown, acme_key):
    made = attempt(organization)
    record_call(**call_arguments(AuthResult(actor=acme_key_actor(acme_key)), request=make_request()))
    change(person(organization), target_id=acme_key.row.public_id, target_label="Acme's key")
    _context, html = shown()
    here = "/o/acme/settings/integration"
    assert f'href="{here}/deliveries/{made.delivery.public_id}/"' in html
    assert html.count(f'href="{here}/api-keys/{acme_key.row.public_id}/"') >= 2
    assert 'href="?request_id=request-87654321"' in html
    assert f'href="?target={acme_key.row.public_id}"' in html and f'href="?actor={acme_key.row.public_id}"' in html


def test_pages_of_keys_endpoints_and_deliveries_lead_to_the_log(organization, browser_of, dev, vera, acme_key):
    made = attempt(organization)
    endpoint = encode("ep", made.endpoint_id)
    here = "/o/acme/settings/integration/"
    for page, query in (
        (f"api-keys/{acme_key.row.public_id}/", f"key={acme_key.row.public_id}"),
        (f"webhooks/{endpoint}/?tab=settings", f"target={endpoint}"),
        (f"deliveries/{made.delivery.public_id}/", f"target={made.delivery.public_id}"),
    ):
        link = f'href="{here}audit/?{query}"'
        assert link in browser_of(dev).get(here + page).content.decode(), page
        assert link not in browser_of(vera).get(here + page).content.decode(), page


def test_what_cannot_be_read_says_so(shown, browser_of, dev, monkeypatch):
    def broken(*_values: Any) -> Any:
        raise DatabaseError("gone")

    monkeypatch.setattr(views, "timeline", broken)
    answer = browser_of(dev).get(PAGE)
    html = answer.content.decode()
    assert answer.status_code == 503 and "Try again" in html and answer["X-Request-ID"] in html and "gone" not in html


def test_how_long_rows_are_kept(shown, settings):
    settings.RETENTION_DAYS_AUDIT, settings.RETENTION_DAYS_API_CALLS = 1200, 1
    html = shown()[1]
    assert "Changes are kept 1,200 days." in html and "Calls are kept 1 day." in html


def acme_key_actor(key: Any) -> Any:
    return replace(key_actor(key.row.organization), id=key.row.public_id, pk=key.row.pk)

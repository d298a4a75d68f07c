"""Usage in the browser: of a key, of the organization, and who still calls with a key in overlap."""

import html
import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.api_keys.models import ApiKey
from apps.base.web.charts import stacked_chart
from tests.api_keys.conftest import DAY, HOUR, NOW, used

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/integration/api-keys/"
ALL = "/o/acme/settings/integration/usage/"


def words(page) -> str:
    """Return the page's text as a reader sees it, on one line."""
    assert page.status_code == 200
    main = re.search(r"<main.*</main>", page.content.decode(), re.DOTALL)[0]
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", main).split()))


@pytest.fixture
def browser(browser_of, ada):
    return browser_of(ada)


@pytest.fixture
def overlap(acme, make_key, clock) -> ApiKey:
    """Rotated three hours ago; ends in twenty-one."""
    clock.move_to(NOW - 40 * DAY)
    old = make_key(acme, "users:read", name="Old one").row
    clock.move_to(NOW)
    ApiKey.objects.filter(pk=old.pk).update(overlap_since=NOW - 3 * HOUR, expires_at=NOW + 21 * HOUR)
    new = make_key(acme, "users:read", name="New one").row
    ApiKey.objects.filter(pk=new.pk).update(replaces=old)
    old.refresh_from_db()
    return old


def test_a_key(browser, asked):
    used(asked, NOW - 2 * HOUR, count=30)
    used(asked, NOW - 2 * HOUR, 404, address="198.51.100.7")
    used(asked, NOW - HOUR, 429, 2, scopes="")
    used(asked, NOW - 3 * DAY, 503, 5, route="/v1/events", method="POST", scopes="")
    page = browser.get(f"{HERE}{asked.public_id}/usage/")
    text = words(page)
    assert "Calls 33" in text and "Refused (4xx) 1 3.0 % of all" in text and "Over the limit (429) 2" in text
    assert "last used 2 hours ago from 198.51.100.7" in text
    assert "2026" not in text.split("The same as a table")[0] and "22 Nov, 10:00 UTC 31 30 1 0 0" in text
    assert "/v1/events" not in text and "GET /v1/users 33" in text
    assert "198.51.100.7 last call 2 hours ago 1" in text and "users:read" in text
    label = re.search(r'<svg class="chart" role="img" aria-label="([^"]+)"', page.content.decode())[1]
    assert label == ("Calls per hour: 33, of which 3 refused or failed; the most, 31, at 22 Nov, 10:00 UTC")
    week = words(browser.get(f"{HERE}{asked.public_id}/usage/?span=7d"))
    assert "Calls 38" in week and "Failed on our side (5xx) 5" in week and "POST /v1/events 5" in week
    month = words(browser.get(f"{HERE}{asked.public_id}/usage/?span=30d"))
    assert "19 Nov 2026 5 0 0 0 5" in month


def test_no_styles_and_no_scripts_in_the_page(browser, asked):
    used(asked, NOW)
    for path in (f"{HERE}{asked.public_id}/usage/", ALL):
        assert not re.search(r"<[^>]+\sstyle=|<style|\son\w+=", browser.get(path).content.decode())


@pytest.mark.parametrize("span", ["24h", "7d", "30d", "nonsense", ""])
def test_the_span_is_a_link(browser, asked, span):
    page = browser.get(f"{HERE}{asked.public_id}/usage/?span={span}").content.decode()
    current = span if span in ("24h", "7d", "30d") else "24h"
    assert f'<a href="?span={current}" aria-current="page">' in page and page.count('href="?span=') == 3


def test_a_key_without_calls_has_no_chart(browser, asked):
    text = words(browser.get(f"{HERE}{asked.public_id}/usage/"))
    assert "No calls yet" in text and "never used" in text and "Calls over time" not in text
    used(asked, NOW - 2 * DAY)
    assert "No calls in this span" in words(browser.get(f"{HERE}{asked.public_id}/usage/"))


def test_the_organization(browser, acme, acme_key, rival_key, asked):
    assert "No calls yet" in words(browser.get(ALL))
    used(asked, NOW, count=3)
    used(acme_key.row, NOW, address="198.51.100.7")
    used(rival_key.row, NOW, count=9)
    page = browser.get(ALL)
    text = words(page)
    assert f"By key Key Share Calls Asked about {asked.mask} 3 Acme's key {acme_key.row.mask} 1" in text
    assert "Calls 4" in text and "All API calls of Acme Travel" in text
    assert f'href="{HERE}{asked.public_id}/usage/"' in page.content.decode()


def test_it_is_reachable(browser, asked):
    used(asked, NOW)
    for path, link in (("/o/acme/settings/integration/", ALL), (HERE, ALL), (HERE, f"{HERE}{asked.public_id}/usage/"),
                       (f"{HERE}{asked.public_id}/", f"{HERE}{asked.public_id}/usage/")):  # fmt: skip
        assert f'href="{link}"' in browser.get(path).content.decode(), (path, link)


def test_unused_scopes_lead_to_a_narrower_key(browser, browser_of, vera, acme, make_key, clock):
    clock.move_to(NOW - 120 * DAY)
    key = make_key(acme, "users:write", "audit:read", "webhooks:read", name="Wide").row
    ApiKey.objects.filter(pk=key.pk).update(expires_at=None)
    clock.move_to(NOW)
    path = f"{HERE}{key.public_id}/usage/"
    assert "scopes have not been used" not in words(browser.get(path))
    used(key, NOW - 100 * DAY, scopes="audit:read")
    used(key, NOW - 80 * DAY)
    used(key, NOW, scopes="webhooks:read")
    page = browser.get(path)
    assert "2 scopes have not been used in the last 90 days users:write audit:read Make a narrower key with" in words(
        page
    )
    query = "?type=partner&amp;scopes=webhooks%3Aread&amp;scopes=users%3Aread"
    assert f'href="{HERE}create/{query}"' in page.content.decode()
    form = browser.get(html.unescape(f"{HERE}create/{query}")).content.decode()
    checked = set(re.findall(r'name="access_\w+" value="([^"]+)" checked', form))
    assert checked == {"users:read", "webhooks:read"}
    reader = browser_of(vera).get(path)
    assert "2 scopes have not been used" in words(reader) and "Make a narrower key" not in words(reader)
    ApiKey.objects.filter(pk=key.pk).update(revoked_at=NOW)
    assert "scopes have not been used" not in words(browser.get(path))


def test_unused_scopes_of_a_new_key_are_counted_since_its_creation(browser, acme, make_key, clock):
    key = make_key(acme, "users:read", "audit:read", name="Young").row
    used(key, NOW)
    assert "One scope has not been used since the key was made audit:read" in words(
        browser.get(f"{HERE}{key.public_id}/usage/")
    )


@pytest.mark.parametrize(
    ("held", "seen", "unused"),
    [
        (("users:read", "users:write"), [("/v1/users", "users:write")], ""),
        (("users:read", "users:write"), [("/v1/users", "users:read")], "users:write"),
        (("orders:read", "users:read"), [("/v1/users", "users:read")], "orders:read"),
        (("orders:read", "users:read"), [("/v1/api-keys/verify", "orders:read")], "users:read"),
        (("orders:read", "users:read"), [("/v1/api-keys/verify", ""), ("/v1/users", "users:read")], ""),
        (("admin",), [("/v1/users", "users:read")], "admin"),
        (("admin",), [("/v1/api-keys/verify", "")], ""),
        (("users:read",), [("/v1/me", "")], "users:read"),
        ((), [("/v1/me", "")], ""),
    ],
)
def test_what_counts_as_used(browser, acme, make_key, clock, held, seen, unused):
    key = make_key(acme, "users:read", type="internal").row
    ApiKey.objects.filter(pk=key.pk).update(scopes=list(held))
    for route, scope in seen:
        used(key, NOW, route=route, scopes=scope)
    text = words(browser.get(f"{HERE}{key.public_id}/usage/"))
    assert (f"not been used since the key was made {unused} Make" in text) == bool(unused)
    assert ("not been used" in text) == bool(unused)


def test_a_refused_check_says_nothing_of_scopes(browser, acme, make_key, clock):
    key = make_key(acme, "orders:read", "users:read").row
    path = f"{HERE}{key.public_id}/usage/"
    used(key, NOW, 429, route="/v1/api-keys/verify", scopes="")
    assert "not been used" not in words(browser.get(path))
    used(key, NOW)
    assert "not been used since the key was made orders:read" in words(browser.get(path))


def test_who_still_calls_with_a_key_in_overlap(browser, overlap):
    path = f"{HERE}{overlap.public_id}/drain/"
    text = words(browser.get(path))
    assert "No calls for 24 hours: safe to end." in text and "Nobody so far." in text
    ApiKey.objects.filter(pk=overlap.pk).update(created_at=NOW - 23 * HOUR)
    text = words(browser.get(path))
    assert "this key is less than 24 hours old" in text and "safe to end" not in text
    used(overlap, NOW - 10 * HOUR, count=4, user_agent="before/1")
    assert "Still in use: 4 calls in the last 24 hours." in words(browser.get(path))
    used(overlap, NOW - HOUR, count=2, user_agent="erp/11", route="/v1/events", method="POST")
    page = browser.get(path)
    text = words(page)
    assert "Still in use: 6 calls in the last 24 hours." in text and "before/1" not in text
    assert "erp/11 203.0.113.9 POST /v1/events 2 1 hour ago" in text and "New one" in text
    assert f'href="{HERE}{overlap.public_id}/revoke/"' in page.content.decode()
    assert f'href="{path}"' in browser.get(f"{HERE}{overlap.public_id}/").content.decode()


def test_a_key_without_requests_for_24_hours_is_safe_to_revoke(browser, overlap, clock):
    used(overlap, NOW, user_agent="erp/11")
    clock.move_to(NOW + 24 * HOUR - timedelta(seconds=1))
    ApiKey.objects.filter(pk=overlap.pk).update(expires_at=NOW + 90 * HOUR)
    assert "Still in use: 1 call" in words(browser.get(f"{HERE}{overlap.public_id}/drain/"))
    clock.move_to(NOW + 24 * HOUR + timedelta(seconds=1))
    text = words(browser.get(f"{HERE}{overlap.public_id}/drain/"))
    assert "No calls for 24 hours: safe to end." in text and "erp/11" in text and "0 calls in the last 24 hours" in text


def test_who_is_refused_after_the_end(browser, overlap, clock):
    used(overlap, NOW, user_agent="early/1")
    clock.move_to(NOW + 24 * HOUR)
    path = f"{HERE}{overlap.public_id}/drain/"
    assert "Nobody has called with it since it ended." in words(browser.get(path))
    used(overlap, NOW + 22 * HOUR, 401, user_agent="late/1")
    page = browser.get(path)
    text = words(page)
    assert "It has ended, and somebody still calls with it" in text and "late/1" in text and "early/1" not in text
    assert "End now" not in text


def test_a_key_that_nothing_replaces_has_no_such_page(browser, asked):
    answer = browser.get(f"{HERE}{asked.public_id}/drain/")
    assert (answer.status_code, answer["Location"]) == (302, f"{HERE}{asked.public_id}/")


def test_strangers_and_other_paths_see_404(browser_of, zed, asked, overlap):
    browser = browser_of(zed)
    for path in (ALL, f"{HERE}{asked.public_id}/usage/", f"{HERE}{overlap.public_id}/drain/"):
        assert browser.get(path).status_code == 404
        assert browser.get(path.replace("/acme/", "/rival/")).status_code == (200 if path == ALL else 404)


def test_queries_stay_the_same(browser, acme, make_key, asked, overlap):
    paths = (f"{HERE}{asked.public_id}/usage/", f"{ALL}?span=30d", f"{HERE}{overlap.public_id}/drain/")
    counts = []
    browser.get(ALL)  # what the first page of a session asks for besides
    for number in range(1, 13):
        other = make_key(acme, "users:read", name=f"Key {number}").row
        for key in (other, asked, overlap):
            used(key, NOW - timedelta(minutes=number), route=f"/v1/{number}", address=f"10.0.0.{number}")
        if number in (1, 12):
            for path in paths:
                with CaptureQueriesContext(connection) as queries:
                    assert browser.get(path).status_code == 200
                counts.append(len(queries))
    assert counts[:3] == counts[3:]


def test_french(browser, ada, asked, overlap):
    ada.language = "fr"
    ada.save()
    used(asked, NOW)
    for path in (ALL, f"{HERE}{asked.public_id}/usage/", f"{HERE}{overlap.public_id}/drain/"):
        page = browser.get(path)
        assert page.status_code == 200 and '<html lang="fr"' in page.content.decode()


@pytest.mark.parametrize(
    ("most", "top"), [(1, 1), (2, 2), (3, 4), (7, 8), (9, 10), (11, 20), (99, 100), (101, 200), (450, 500)]
)
def test_the_scale_is_round_and_bars_stay_inside(most, top):
    chart = stacked_chart([[most - 1, 1, 0, 0], [0, 0, 0, 0]])
    assert chart.top == top and stacked_chart([[0, 0], [0, 0]]) is None
    pieces = chart.columns[0].pieces
    assert [piece for piece in pieces if not (piece.y >= 0 and piece.y + piece.height <= 100.8)] == []
    assert chart.columns[1].pieces == [] and chart.columns[1].middle == 75

"""In the browser: list, creation with its one reveal, detail, revocation."""

import html
import re

import pytest

from apps.api_keys.models import ApiKey
from apps.audit.models import AuditEntry

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/integration/api-keys/"
NEW = HERE + "create/?type=partner"


def token_of(page):
    return html.unescape(re.search(r'name="token" value="([^"]+)"', page.content.decode())[1])


def form(page, **values):
    return {
        "token": token_of(page),
        "name": "Production",
        "type": "partner",
        "scopes": ["users:read"],
        "expires": "30",
        **values,
    }


def shown_key(page):
    return re.search(r"ipk_[0-9A-Za-z]{50}", page.content.decode())


def test_the_empty_list_invites_to_the_first_key(browser_of, ada):
    page = browser_of(ada).get(HERE)
    assert page.status_code == 200
    assert HERE + "create/" in page.content.decode() and "No API keys yet" in page.content.decode()


def test_it_shows_the_key_once(browser_of, ada, api):
    browser = browser_of(ada)
    data = form(browser.get(NEW))
    page = browser.post(HERE + "create/", data)
    assert page.status_code == 200
    text = shown_key(page)[0]
    assert api(text).get("/v1/users").status_code == 200
    assert page["Cache-Control"] == "no-store, private"
    assert page["Referrer-Policy"] == "same-origin"
    again = browser.post(HERE + "create/", data)
    assert again.status_code == 409 and shown_key(again) is None
    assert ApiKey.objects.count() == 1
    for path in (HERE, HERE + ApiKey.objects.get().public_id + "/", "/o/acme/settings/integration/audit/"):
        later = browser.get(path)
        assert later.status_code == 200 and text not in later.content.decode()
    assert [value for value in browser.session.values() if text in str(value)] == []
    entry = AuditEntry.objects.get(action="api_key.created")
    assert entry.actor_id == ada.public_id and text not in str(entry.changes)


def test_typed_values_survive_the_question_for_the_password(browser_of, ada):
    browser = browser_of(ada, confirmed=False)
    data = form(browser.get(NEW), name="Typed name", confirm_password="wrong")
    page = browser.post(HERE + "create/", data)
    assert page.status_code == 422 and 'value="Typed name"' in page.content.decode()
    assert not ApiKey.objects.exists()
    page = browser.post(HERE + "create/", {**data, "confirm_password": "correct horse battery"})
    assert shown_key(page) and ApiKey.objects.get().name == "Typed name"
    assert "confirm_password" not in browser.get(NEW).content.decode()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"name": ""}, "required"),
        ({"networks": "nonsense"}, "not an address"),
        ({"expires": "custom"}, "how many days"),
        ({"type": "client", "scopes": ["orders:read"]}, "subject"),
        ({"type": "user_data", "scopes": ["audit:read"]}, "cannot hold"),
        ({"token": "forged"}, "open for too long"),
    ],
)
def test_bad_input_keeps_the_form_and_makes_nothing(browser_of, ada, change, says):
    browser = browser_of(ada)
    page = browser.post(HERE + "create/", form(browser.get(NEW), **change))
    assert page.status_code == 422 and says in html.unescape(page.content.decode())
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize("who", ["dev", "vera"])
def test_a_colleague_without_the_right_reads_and_makes_nothing(request, browser_of, acme_key, who):
    browser = browser_of(request.getfixturevalue(who))
    page = browser.get(HERE)
    assert page.status_code == 200 and HERE + "create/" not in page.content.decode()
    assert browser.get(HERE + "create/").status_code == 403
    assert browser.post(HERE + "create/", {}).status_code == 403
    assert browser.post(f"{HERE}{acme_key.row.public_id}/revoke/", {"confirm": "on"}).status_code == 403
    acme_key.row.refresh_from_db()
    assert acme_key.row.revoked_at is None


def test_a_stranger_sees_404(browser_of, zed, acme_key):
    browser = browser_of(zed)
    for path in (HERE, HERE + "create/", f"{HERE}{acme_key.row.public_id}/", f"{HERE}{acme_key.row.public_id}/revoke/"):
        assert browser.get(path).status_code == 404
        assert browser.post(path, {"confirm": "on"}).status_code == 404


def test_another_organizations_key_is_404_under_the_own_path(browser_of, zed, acme_key):
    path = f"/o/rival/settings/integration/api-keys/{acme_key.row.public_id}/"
    assert browser_of(zed).get(path).status_code == 404


def test_revoking_takes_a_tick_and_ends_the_key(browser_of, ada, api, acme_key, django_capture_on_commit_callbacks):
    browser = browser_of(ada)
    path = f"{HERE}{acme_key.row.public_id}/revoke/"
    page = browser.get(path)
    assert browser.post(path, {"token": token_of(page)}).status_code == 422
    with django_capture_on_commit_callbacks(execute=True):
        answer = browser.post(path, {"token": token_of(page), "confirm": "on"})
    assert answer.status_code == 302
    assert api(acme_key).get("/v1/me").json()["code"] == "revoked_api_key"


def test_a_key_in_use_is_revoked_by_its_name(browser_of, ada, api, acme_key):
    api(acme_key).get("/v1/me")
    browser = browser_of(ada)
    path = f"{HERE}{acme_key.row.public_id}/revoke/"
    page = browser.get(path)
    assert "1 call" in page.content.decode()
    wrong = browser.post(path, {"token": token_of(page), "confirm_name": "Another"})
    assert wrong.status_code == 422
    page = browser.get(path)
    assert browser.post(path, {"token": token_of(page), "confirm_name": "Acme's key"}).status_code == 302


def test_french(browser_of, ada):
    ada.language = "fr"
    ada.save()
    page = browser_of(ada).get(HERE)
    assert '<html lang="fr"' in page.content.decode()

"""Language and time zone: of the account if signed in, else of the browser."""

import pytest

from apps.base.errors import Invalid
from apps.orgs.settings import preferences

pytestmark = pytest.mark.django_db
PATH = "/account/preferences/"
KEYS = "/o/acme/settings/integration/api-keys/"


def test_the_language_changes_at_once_and_is_saved_in_the_account(browser_of, ada):
    ada.language = "en"
    ada.save()
    browser = browser_of(ada)
    answer = browser.post("/language/", {"language": "fr", "next": f"{KEYS}?q=a"})
    assert (answer.status_code, answer["Location"]) == (302, f"{KEYS}?q=a")
    ada.refresh_from_db()
    assert ada.language == "fr" and '<html lang="fr"' in browser_of(ada).get(KEYS).content.decode()


def test_without_a_sign_in_the_cookie_keeps_it(client):
    client.post("/language/", {"language": "fr", "next": "/account/login/"})
    assert client.get("/account/login/")["Content-Language"] == "fr"


@pytest.mark.parametrize("language", ["", "xx", "en\r\nSet-Cookie: a=b", "../../etc"])
def test_no_other_language_is_kept(browser_of, ada, language):
    answer = browser_of(ada).post("/language/", {"language": language, "next": KEYS})
    ada.refresh_from_db()
    assert answer.status_code == 302 and ada.language == "" and "django_language" not in answer.cookies


def test_the_switch_leads_back_to_what_can_be_read(browser_of, ada):
    browser = browser_of(ada)
    for wanted in ("https://evil.example/", "//evil.example", "/nowhere/", f"{KEYS}../webhooks/ep_x/test/", ""):
        assert browser.post("/language/", {"language": "en", "next": wanted})["Location"] == "/", wanted


def test_both_are_saved_and_times_are_shown_in_the_zone(browser_of, ada, acme_key):
    browser = browser_of(ada)
    answer = browser.post(PATH, {"language": "en", "time_zone": "Asia/Tokyo"})
    assert (answer.status_code, answer["Location"]) == (302, PATH)
    page = browser.get(f"{KEYS}{acme_key.row.public_id}/").content.decode()
    assert "JST" in page and " UTC" in page
    assert 'value="Asia/Tokyo" selected' in browser.get(PATH).content.decode()


def test_a_removed_time_zone_falls_back_to_utc(browser_of, ada):
    ada.time_zone = "Mars/Olympus"
    ada.save()
    assert browser_of(ada).get(KEYS).status_code == 200


def test_nothing_else_is_saved(browser_of, ada, client):
    answer = browser_of(ada).post(PATH, {"language": "xx", "time_zone": "Mars/Olympus", "is_staff": "on"})
    ada.refresh_from_db()
    assert answer.status_code == 200 and (ada.language, ada.time_zone, ada.is_staff) == ("", "", False)
    for values in ({"language": "xx"}, {"time_zone": "Mars/Olympus"}):
        with pytest.raises(Invalid):
            preferences.set_preferences(user=ada, **values)
    assert client.get(PATH)["Location"].startswith("/account/login/")

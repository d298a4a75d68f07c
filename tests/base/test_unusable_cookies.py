"""Cookies that nobody's browser sends: quoted values can spell control characters, which no database takes."""

import pytest
from django.conf import settings

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("name", [settings.SESSION_COOKIE_NAME, settings.CSRF_COOKIE_NAME, "known", "django_language"])
@pytest.mark.parametrize("value", [r'"\000bcdefghijkl"', r'"a\000\001bcdefghi"', r'"abcdefgh\012i"'])
def test_a_cookie_with_a_control_character_counts_as_none(client, ada, name, value):
    for path in ("/account/login/", "/o/acme/settings/integration/", "/admin/", "/docs/start"):
        assert client.get(path, headers={"Cookie": f"{name}={value}"}).status_code in (200, 302), path
    sent = {"Cookie": f"{name}={value}", "Accept": "text/html"}
    assert client.get("/v1/users", headers=sent).json()["code"] == "missing_api_key"
    login = {"login": ada.email, "password": "wrong"}
    assert client.post("/account/login/", login, headers={"Cookie": f"{name}={value}"}).status_code in (200, 403, 422)

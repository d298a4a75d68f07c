"""Names are one line that reads as it is written, by the API and on pages; what people really are called is taken."""

import pytest
from allauth.account.models import EmailAddress
from django.core.management import CommandError, call_command

from apps.api_keys.models import ApiKey
from apps.orgs.models import Invitation, Organization, OutgoingMail, User
from tests.organizations.forms import send

pytestmark = pytest.mark.django_db
BAD = [
    "two\nlines",
    "bell\x07",
    "tab\there",
    "para\u2029graph",
    "evil\u202etxt.exe",
    "iso\u2066late",
    "next\x85line",
    "zero\u200bwidth",
    "joined\u200dup",
    "non\u200cjoiner",
    "soft\xadhyphen",
    "\ufeffbom",
    "word\u2060joiner",
    "fill\u3164er",
    "braille\u2800blank",
    "tag\U000e0041ged",
    "select\ufe0fed",
    "left\u200eto",
    "arabic\u061cmark",
    "grapheme\u034fjoiner",
]
GOOD = [
    "Zoë d’Aubigné-Łuków",
    "שרה כהן",
    "محمد علي",
    "علی\u200cرضا",
    "क्\u200dष",
    "李雷",
    "👩\u200d💻 deploy",
    "❤\ufe0f\u200d🔥",
    "1\ufe0f\u20e3 first",
    "Café\u00a0№\u00a04",
]


@pytest.mark.parametrize("name", BAD)
def test_a_misleading_name_is_refused(api, acme_key, name):
    person = {"name": name, "email": "jo@example.com", "password": "password1"}
    key = {"name": name, "type": "partner", "scopes": ["users:read"]}
    for path, body in (("/v1/users", person), ("/v1/api-keys", key)):
        answer = api(acme_key).post(path, body)
        assert (answer.status_code, list(answer.json()["fields"])) == (400, ["name"])
    sdk = api(acme_key).post("/v1/sdk-keys", {"name": name, "platform": "ios", "app_id": "com.acme.app"})
    assert (sdk.status_code, list(sdk.json()["fields"])) == (400, ["name"])
    assert not User.objects.filter(email="jo@example.com").exists() and not ApiKey.objects.filter(name=name).exists()


@pytest.mark.parametrize("name", GOOD)
def test_what_somebody_is_called_is_taken(api, acme_key, name):
    person = {"name": name, "email": "jo@example.com", "password": "password1"}
    assert api(acme_key).post("/v1/users", person).json()["name"] == name


def test_the_page_says_the_same(browser_of, ada):
    browser = browser_of(ada)
    page = browser.post("/account/", {"name": "evil\u202etxt"})
    assert page.status_code in (200, 422) and "Use one line" in page.content.decode()
    ada.refresh_from_db()
    assert "evil" not in ada.name


ADDRESSES = ['"bell\x07"@example.com', '"down\x0b"@example.com', "jo@\u202emoc.example", "jo@\u2066x.example"]


@pytest.mark.parametrize("email", ADDRESSES)
def test_a_misleading_address_is_refused_by_pages_api_and_commands(api, acme_key, browser_of, ada, acme, email):
    caller, browser = api(acme_key), browser_of(ada)
    person = {"name": "Jo", "email": email, "password": "password1"}
    answer = caller.post("/v1/users", person)
    assert (answer.status_code, answer.json()["fields"]) == (400, {"email": ["Enter a valid email address."]})
    assert caller.post("/v1/invitations", {"email": email, "role": "viewer"}).json()["fields"].keys() == {"email"}
    assert caller.post("/v1/users/batch", {"users": [person]}).json()["results"][0]["status"] == 400
    assert browser.post("/account/email/", {"email": email, "action_add": ""}).status_code == 422
    send(browser, "/o/acme/settings/organization/members/invite/", email=email, role="viewer")
    with pytest.raises(CommandError, match="valid email"):
        call_command("create_operator", email=email)
    with pytest.raises(CommandError, match="valid email"):
        call_command("create_organization", name="New", slug="new", owner_email=email)
    assert not User.objects.filter(email=email).exists() and not Invitation.objects.exists()
    assert not OutgoingMail.objects.exists() and not EmailAddress.objects.filter(email=email).exists()


@pytest.mark.parametrize("email", ["jo+x@example.com", "o'neil@example.com", "jo@münchen.example"])
def test_addresses_that_people_have_are_taken(api, acme_key, email):
    person = {"name": "Jo", "email": email, "password": "password1"}
    assert api(acme_key).post("/v1/users", person).json()["email"] == email


@pytest.mark.parametrize("name", BAD)
def test_commands_refuse_it_too(acme, name):
    key = {"org": "acme", "type": "partner", "scopes": "users:read"}
    for command, words in (
        ("create_api_key", key),
        ("create_organization", {"slug": "new", "owner_email": "jo@example.com"}),
    ):
        with pytest.raises(CommandError, match="Use one line"):
            call_command(command, name=name, **words)
    assert not ApiKey.objects.filter(name=name).exists() and not Organization.objects.filter(slug="new").exists()


def test_a_length_is_that_of_what_was_sent(api, acme_key):
    person = {"name": "n" * 150 + " ", "email": "jo@example.com", "password": "password1"}
    answer = api(acme_key).post("/v1/users", person)
    assert (answer.status_code, list(answer.json()["fields"])) == (400, ["name"])
    assert api(acme_key).post("/v1/users", {**person, "name": " " + "n" * 149}).json()["name"] == "n" * 149

"""Every page as each role, in both languages, as its text: it is there, its links lead somewhere, and it speaks French.

What only a browser finds (scripts, the policy, contrast, width) is in ``tests/browser/test_crawl.py``.
"""

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.test import Client

from apps.orgs.models import User
from tests.conventions.conftest import Samples
from tests.crawl import PageReader, is_untranslated, linked, pages

pytestmark = pytest.mark.django_db

ROLES = ("ada", "ann", "dev", "vera")
# People's own words that happen to be words of the portal, and names that are the same in every language.
OWN_WORDS = {"Ada", "Ann", "Dev", "Vera", "Zed", "Acme Travel", "API", "Key"}
# Names of the API, of a language, and who acted as the audit log wrote it down at that time.
NAMES = {"name", "scopes", "user", "users", "Portal", "platform", "Go"}


@pytest.fixture
def french(samples: Samples, request: pytest.FixtureRequest, browser_of: Any) -> Any:
    """Makes somebody's browser, who reads French."""

    def open_browser(name: str) -> Client:
        user: User = request.getfixturevalue(name)
        User.objects.filter(pk=user.pk).update(language="fr")
        Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN).delete()  # a sample without a device
        browser = browser_of(user)
        browser.defaults["HTTP_ACCEPT_LANGUAGE"] = "fr"
        return browser

    return open_browser


def read(browser: Client, path: str) -> Any:
    answer = browser.get(path)
    while answer.status_code in (301, 302) and answer["Location"].startswith("/"):
        answer = browser.get(answer["Location"])
    return answer


def english_in(answer: Any) -> list[str]:
    """Return the words of a French page that are English."""
    words = PageReader(answer.content.decode()).words - OWN_WORDS - NAMES
    return sorted(word for word in words if is_untranslated(word))


@pytest.mark.parametrize("who", ROLES)
def test_every_page_speaks_french_to_each_role(french, samples, who):
    browser, wrong = french(who), {}
    for route, path in pages(samples, "page"):
        answer = read(browser, path)
        assert answer.status_code in (200, 403), (path, answer.status_code)
        assert '<html lang="fr"' in answer.content.decode(), path
        if found := english_in(answer):
            wrong[route.name] = found
    assert wrong == {}


def test_every_page_of_an_account_speaks_french(french, samples):
    browser, wrong = french("ada"), {}
    nobody = Client(headers={"Accept-Language": "fr"})
    for route, path in pages(samples, "account", "other"):
        for client in (browser, nobody):
            answer = read(client, path)
            assert answer.status_code in (200, 404, 405), (path, answer.status_code)
            if found := english_in(answer):
                wrong[route.name] = found
    assert wrong == {}


def test_every_form_says_in_french_what_to_correct(french, samples):
    browser, wrong = french("ada"), {}
    session = browser.cookies["session"].value
    for route, path in pages(samples, "page", "account"):
        browser.cookies["session"] = session  # signing out is one of the forms
        if "POST" in route.methods:
            with transaction.atomic():
                answer = browser.post(path, {})
                transaction.set_rollback(True)
            assert answer.status_code < 500, path
            if answer.status_code == 200 and (found := english_in(answer)):
                wrong[route.name] = found
    assert wrong == {}


def test_every_link_leads_to_a_page(samples, ada, browser_of):
    Authenticator.objects.filter(user=ada).delete()
    browser = browser_of(ada)
    browser.defaults["HTTP_ACCEPT"] = "text/html,*/*;q=0.8"  # as browsers do: the API answers them by pages
    texts = {path: read(browser, path).content.decode() for _route, path in pages(samples, "page", "account")}
    for _round in range(2):
        for path, where in linked(texts).items():
            answer = read(browser, path)
            assert answer.status_code == 200, f"{where} links to {path}: {answer.status_code}"
            texts[path] = answer.content.decode() if "html" in answer["Content-Type"] else ""
    assert len(texts) > 60


def test_no_french_is_spoken_to_who_reads_english(samples, ada, browser_of):
    browser = browser_of(ada)
    for _route, path in pages(samples, "page"):
        text = read(browser, path).content.decode()
        assert '<html lang="en"' in text and not {"clé", "Clé", "Réglages", "évènement"} & set(text.split()), path


def test_the_reader_of_words_finds_what_it_looks_for():
    page = PageReader(
        '<p title="Close">API keys <code>Open</code><b lang="en">English</b> Try again in 12 seconds.</p>'
    )
    assert page.words == {"Close", "API keys", "Try again in 12 seconds."}
    assert [is_untranslated(word) for word in ("API keys", "Log in", "Clés API", "Nothing of ours")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert is_untranslated("One thing to correct. Nothing was saved.") and is_untranslated("Go to API keys")
    assert is_untranslated("The API key “Export” expires on 3 May 2027")

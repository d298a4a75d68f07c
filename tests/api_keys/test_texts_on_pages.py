"""The texts of a key on its pages, whichever there are: what one form sets, no other page loses."""

import html
import re

import pytest

from apps.api_keys.forms import ChangeKeyForm, CreateKeyForm
from apps.api_keys.key_texts import KeyTextsForm
from apps.api_keys.models import ApiKey
from tests.api_keys.forms import CREATE, page_of, send, shown_key, text_of, token_of

pytestmark = pytest.mark.django_db
CLIENT = CREATE + "?type=client"  # the only type that has a subject
TEXTS = tuple(KeyTextsForm.base_fields)
CHANGEABLE = tuple(name for name in TEXTS if name in ChangeKeyForm.base_fields)


def said(names, word):
    return {name: f"{word} <{name}>" for name in names}


def stored(key, names=TEXTS):
    fresh = ApiKey.objects.get(pk=key.pk)
    return {name: getattr(fresh, name) for name in names}


def inputs_of(page, names=TEXTS):
    """Return what the inputs of a form hold, as a browser sends it, in the order of the page."""
    found = re.findall(r'<input type="text" name="(\w+)"(?: value="([^"]*)")?', page.content.decode())
    return {name: html.unescape(value) for name, value in found if name in names}


@pytest.fixture
def browser(browser_of, ada):
    return browser_of(ada)


@pytest.fixture
def key(browser):
    assert shown_key(send(browser, CLIENT, expires="30", **said(TEXTS, "First")))
    return ApiKey.objects.get()


def test_each_form_asks_for_them_in_one_order(browser, key):
    assert TEXTS[0] == "name" and "subject" in TEXTS and set(CHANGEABLE) == set(ApiKey.texts)
    assert set(TEXTS) <= set(CreateKeyForm.base_fields)
    assert tuple(inputs_of(browser.get(CLIENT))) == TEXTS
    assert tuple(inputs_of(browser.get(page_of(key, "edit/")))) == CHANGEABLE


def test_a_new_key_has_what_was_typed_and_its_page_shows_it(browser, key):
    assert stored(key) == said(TEXTS, "First")
    page = text_of(browser.get(page_of(key)))
    assert [text for text in said(TEXTS, "First").values() if text not in page] == []


def test_an_empty_text_has_no_line_on_the_page(browser, key):
    assert "<dt>Client</dt>" in browser.get(page_of(key)).content.decode()
    ApiKey.objects.update(subject="")
    assert "<dt>Client</dt>" not in browser.get(page_of(key)).content.decode()


def test_each_can_be_changed(browser, key):
    send(browser, page_of(key, "edit/"), **said(CHANGEABLE, "Second"))
    assert stored(key) == {**said(TEXTS, "First"), **said(CHANGEABLE, "Second")}


def test_another_change_leaves_them_as_they_are(browser, key):
    send(browser, page_of(key, "edit/"), **said(CHANGEABLE, "Second"))
    before, page = stored(key), browser.get(page_of(key, "edit/"))
    typed = {"token": token_of(page), **inputs_of(page), "networks": "203.0.113.0/24"}
    assert browser.post(page_of(key, "edit/"), typed).status_code == 302
    assert stored(key) == before and stored(key, ["allowed_networks"]) == {"allowed_networks": ["203.0.113.0/24"]}
    assert {name: before[name] for name in CHANGEABLE} == said(CHANGEABLE, "Second")


def test_what_a_refused_form_held_is_still_in_it(browser, key):
    page = send(browser, page_of(key, "edit/"), **said(CHANGEABLE, "Typed"), networks="nonsense")
    assert page.status_code == 422 and inputs_of(page) == said(CHANGEABLE, "Typed")
    assert stored(key) == said(TEXTS, "First")


def test_a_copy_starts_with_them(browser, key):
    found = inputs_of(browser.get(f"{CREATE}?from={key.public_id}"))
    assert found == {**said(TEXTS, "First"), "name": "Copy of First <name>"}

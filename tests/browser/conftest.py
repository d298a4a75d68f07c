"""A real browser, the system's Chromium, on a server of the tests' own.

Playwright runs an event loop in this thread, so Django has to be told that its queries here are meant.
"""

import os
import time

import pytest
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.test import Client
from playwright.sync_api import sync_playwright

from tests.programs import CHROMIUM, need

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--no-first-run"]  # fmt: skip


@pytest.fixture(scope="module")
def chromium():
    """The browser itself. Without one the tests are skipped, in CI they fail.

    For one module: two of Playwright's loops in a thread are one too many, and other tests have theirs.
    """
    found = need(*CHROMIUM)
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()
    if before is None:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def signed_in(chromium, live_server):
    """Opens a window of somebody: what the browser refuses or complains of is kept on the page as ``complaints``."""
    contexts = []

    def open_window(user, **options):
        context = chromium.new_context(base_url=live_server.url, **options)
        contexts.append(context)
        context.set_default_timeout(10_000)
        context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session_of(user), "url": live_server.url}])
        page = context.new_page()
        page.complaints = []
        page.on("console", lambda message: complain(page, message))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        return page

    yield open_window
    for context in contexts:
        context.close()


def complain(page, message):
    """Keep what is wrong with a page; an answer of 4xx is an answer."""
    if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
        page.complaints.append(message.text)


def session_of(user):
    client = Client()
    client.force_login(user)
    session = client.session
    records = [{"method": "password", "at": time.time()}]
    if Authenticator.objects.filter(user=user).exists():
        records.append({"method": "mfa", "at": time.time()})
    session[AUTHENTICATION_METHODS_SESSION_KEY] = records
    session["account_authentication_methods_user"] = str(user.pk)
    session.save()
    return session.session_key

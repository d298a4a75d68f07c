"""Send the forms of pages and read what a page says."""

import html
import re

HERE = "/o/acme/settings/integration/api-keys/"
CREATE = HERE + "create/"


def text_of(page):
    """A page as its reader sees it: without tags, each run of space one space."""
    body = re.sub(r"<(script|style).*?</\1>", " ", page.content.decode(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def token_of(page):
    return html.unescape(re.search(r'name="token" value="([^"]+)"', page.content.decode())[1])


def send(browser, path, follow=True, **values):
    """Open a form and send it with these values."""
    page = browser.get(path)
    return browser.post(path, {"token": token_of(page), **values}, follow=follow)


def shown_key(page):
    found = re.search(r"ipk_[0-9A-Za-z]{50}", page.content.decode())
    return found and found[0]


def page_of(key, what=""):
    return f"{HERE}{key.public_id}/{what}"

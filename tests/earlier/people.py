"""Somebody's browser, which goes on with its cookies when another portal takes the place of the first."""

from typing import Any
from urllib.parse import urlsplit

import requests

from benchmarks.code_paths import Forms
from tests.authenticators import Passkey
from tests.servers import Portal

PUBLIC = "http://localhost:8000"
HERE = "/o/acme/settings/integration/"
LOGIN, STEP, RESET = "/account/login/", "/account/2fa/authenticate/", "/account/password/reset/"
PASSKEY_LOGIN, ADD_PASSKEY = "/account/2fa/webauthn/login/", "/account/2fa/webauthn/add/"
PASSWORD = "correct horse battery"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Person:
    """A browser of somebody."""

    def __init__(self, portal: Portal) -> None:
        self.portal, self.session = portal, requests.Session()
        self.session.headers.update({"Accept": "text/html", "User-Agent": FIREFOX})

    def get(self, path: str, **headers: str) -> requests.Response:
        """Open a page."""
        return self.session.get(f"http://localhost:{self.portal.ports[0]}{path}", headers=headers, timeout=60)

    def post(self, path: str, fields: dict[str, Any]) -> requests.Response:
        """Send a form; a redirect is followed."""
        return self.session.post(f"http://localhost:{self.portal.ports[0]}{path}", fields, timeout=60)

    def form(self, path: str, field: str) -> dict[str, Any]:
        """Open a page and return its form with such a field, as it stands there."""
        page = self.get(path)
        assert page.status_code == 200, (path, page.status_code)
        return Forms(page.text).with_field(field)

    def fill(self, path: str, **fields: str) -> requests.Response:
        """Open a page, fill its form and send it to where it stands."""
        form = self.form(path, next(iter(fields)))
        return self.post(path, {**form, **fields})

    @property
    def is_in(self) -> bool:
        """Whether the organization's pages open."""
        page = self.get(HERE)
        return page.status_code == 200 and urlsplit(page.url).path == HERE

    def sign_in(self, email: str, second: str = "") -> "Person":
        """Sign in by password and, where asked, a code."""
        answer = self.fill(LOGIN, login=email, password=PASSWORD)
        assert answer.status_code == 200, answer.text[:2000]
        if second:
            assert answer.url.endswith(STEP), answer.url
            self.fill(STEP, code=second)
        return self

    def sign_out(self) -> None:
        """End the session; the browser stays known."""
        self.fill("/account/logout/", csrfmiddlewaretoken=self.session.cookies["csrf"])
        assert not self.is_in

    def accept(self, invitation: str, name: str) -> "Person":
        """Open the link of an invitation and choose a password."""
        page = self.get(invitation)
        assert page.status_code == 200 and "Join Acme" in page.text, page.text[:2000]
        form = Forms(page.text).with_field("password")
        self.post("/invitation/", {**form, "name": name, "password": PASSWORD})
        assert self.is_in
        return self

    def sign_in_by(self, passkey: Passkey) -> "Person":
        """Sign in by a passkey alone."""
        form = self.form(LOGIN, "login")
        options = self.get(PASSKEY_LOGIN, Accept="application/json").json()["request_options"]
        answer = passkey.sign(options, origin=PUBLIC)
        self.post(PASSKEY_LOGIN, {"csrfmiddlewaretoken": form["csrfmiddlewaretoken"], "credential": answer})
        return self

"""The path of a new user, from a fresh clone to a verified delivery, in the browser and through the API."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests
from playwright.sync_api import sync_playwright
from standardwebhooks import Webhook, WebhookVerificationError

from tests import demos
from tests.programs import CHROMIUM, need

pytestmark = [pytest.mark.clone, pytest.mark.browser, pytest.mark.pure]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
         "--disable-sync", "--no-first-run"]  # fmt: skip
DEVICE = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
          "isUserVerified": True, "automaticPresenceSimulation": True}  # fmt: skip
AT_ONCE = ",".join(["1"] * 9)
SCOPES = ("users:write", "webhooks:write", "events:write", "audit:read")
NAME = "Path of a new user"
ORDER = {"type": "order.created", "data": {"order_id": "ORD-1", "status": "placed"}}


@pytest.fixture
def demo(tmp_path):
    folder = demos.clone_to(tmp_path / "clone")
    with demos.running(folder, demos.free_ports(), WEBHOOK_RETRY_SCHEDULE=AT_ONCE) as running:
        yield running


@pytest.fixture
def page():
    """A page of the system's own browser."""
    found = need(*CHROMIUM)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=QUIET)
        yield browser.new_page()
        browser.close()


class Receiver:
    """Somebody's receiver: 503 the first time, then 204; it checks signatures with the standard's own library."""

    def __init__(self):
        self.secret, self.ids, self.verdicts = "", [], []

    def take(self, headers, body):
        """Judge one delivery and give the status to answer with."""
        try:
            Webhook(self.secret).verify(body, headers)
            self.verdicts.append(json.loads(body)["data"]["order_id"])
        except WebhookVerificationError as problem:
            self.verdicts.append(str(problem))
        self.ids.append(headers["webhook-id"])
        return 503 if len(self.ids) == 1 else 204


@contextmanager
def receiving():
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(receiver.take({name.lower(): value for name, value in self.headers.items()}, body))
            self.end_headers()

        def log_message(self, *_words): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        receiver.url = f"http://127.0.0.1:{server.server_port}/in"
        yield receiver
        server.shutdown()


class Api:
    """The public API with one key."""

    def __init__(self, url, key):
        self.url, self.headers = url, {"Authorization": f"Bearer {key}"}

    def __call__(self, method, path, body=None, headers=None):
        chosen = self.headers if headers is None else headers
        return requests.request(method, f"{self.url}/v1/{path}", json=body, headers=chosen, timeout=10)


def test_the_path_of_a_new_user(demo, page):
    kept = []
    sign_in(page, demo)
    key = create_key(page, demo, kept)
    api = Api(demo.url, key)
    key_id = who_am_i(api, key)
    users(api)
    over_the_limit(demo)
    with receiving() as receiver:
        endpoint = deliver(api, receiver)
    revoke(page, demo, key_id, api, kept)
    look_at_the_audit_log(page, demo, key_id, receiver.url, kept)
    add_passkey(page, demo)
    assert requests.get(f"{demo.url}/healthz", timeout=10).status_code == 200
    assert demo.stop() == 0 and demo.lines.empty()
    nowhere(demo, key, kept)
    nowhere(demo, endpoint["secret"], kept)


def sign_in(page, demo):
    login = demo.login("admin")
    page.goto(demo.url)
    page.fill("input[name=login]", login["email"])
    page.fill("input[name=password]", login["password"])
    page.click("form:has(input[name=password]) button.btn-p")
    page.wait_for_url("**/o/acme/settings/integration/")


def create_key(page, demo, kept):
    """Make a key in the pages: it is shown once, and a reload neither shows it again nor makes another."""
    keys = f"{demo.url}/o/acme/settings/integration/api-keys/"
    page.click("nav a[href$='/settings/integration/api-keys/']:visible")
    page.click(".head a[href$='/api-keys/create/']")
    page.check("input[name=type][value=partner]")
    page.click("form.card button.btn-p")
    page.fill("input[name=name]", NAME)
    for scope in SCOPES:
        page.check(f"input[name=access_{scope.partition(':')[0]}][value='{scope}']", force=True)
    page.click("form.card button.btn-p")
    key = page.locator("#secret").evaluate("node => node.value ?? node.textContent").strip()
    assert key.startswith("ipk_") and len(key) == 54
    page.reload()
    kept.append(page.content())
    assert page.locator("#secret").count() == 0
    page.goto(keys)
    kept.append(page.content())
    assert page.get_by_role("link", name=NAME).count() == 1
    return key


def who_am_i(api, key):
    """Send the key in each of its three forms; none is 401, a wrong one too."""
    forms = ({"Authorization": f"Bearer {key}"}, {"Authorization": f"x-api-key {key}"}, {"X-API-Key": key})
    answers = [api("GET", "me", headers=form) for form in forms]
    assert [each.status_code for each in answers] == [200, 200, 200]
    body = answers[0].json()
    assert body["organization"]["slug"] == "acme" and body["key"]["name"] == NAME
    wrong = api("GET", "me", headers={"X-API-Key": "ipk_nothing"})
    assert wrong.status_code == 401 and wrong.json()["error"].startswith("Invalid API key provided.")
    assert api("GET", "me", headers={}).json()["code"] == "missing_api_key"
    return body["key"]["id"]


def users(api):
    """List, make, change and remove a user, as M21 to M24 say."""
    listed = api("GET", "users?limit=2&offset=1")
    assert [set(each) for each in listed.json()] == [{"id", "name", "email", "created_at"}] * 2
    new = {"name": "Nora", "email": "nora@acme.example", "password": "long enough"}
    made = api("POST", "users", new)
    assert made.status_code == 201 and set(made.json()) == {"id", "name", "email", "created_at"}
    taken = api("POST", "users", {**new, "email": "NORA@acme.example"})
    assert (taken.status_code, taken.json()["error"]) == (400, "Email address is already in use.")
    path = f"users/{made.json()['id']}"
    assert path.startswith("users/user_")
    changed = api("PUT", path, {"name": "Nora N."})
    assert changed.status_code == 200 and set(changed.json()) == {"id", "name", "email", "updated_at"}
    assert changed.json()["name"] == "Nora N."
    gone = api("DELETE", path)
    assert (gone.status_code, gone.content) == (204, b"")
    assert api("GET", path).status_code == 404


def over_the_limit(demo):
    """Use up a key that may be used three times a minute."""
    words = ["--org", "acme", "--type", "partner", "--name", "Three a minute", "--scopes", "users:read"]
    made = demos.manage(demo.folder, "create_api_key", *words, "--per-minute", "3", "--json")
    api = Api(demo.url, json.loads(made.stdout)["key"])
    answers = [api("GET", "users") for _ in range(4)]
    assert [each.status_code for each in answers] == [200, 200, 200, 429]
    assert [each.headers["RateLimit-Remaining"] for each in answers] == ["2", "1", "0", "0"]
    refused = answers[-1]
    assert refused.json()["code"] == "rate_limited" and refused.headers["RateLimit-Limit"] == "3"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert 1 <= int(refused.headers["RateLimit-Reset"]) <= 60


def deliver(api, receiver):
    """Publish an event to a receiver that refuses it once; the retry carries the same id and a good signature."""
    made = api("POST", "webhook-endpoints", {"url": receiver.url, "event_types": ["order.created"]})
    assert made.status_code == 201, made.text
    endpoint = made.json()
    receiver.secret = endpoint["secret"]
    event = api("POST", "events", ORDER)
    assert event.status_code == 202 and event.json()["deliveries"] >= 1
    assert demos.eventually(lambda: len(receiver.ids) == 2)
    assert receiver.ids == [event.json()["id"]] * 2 and receiver.verdicts == ["ORD-1"] * 2
    path = f"deliveries?endpoint={endpoint['id']}"
    demos.eventually(lambda: api("GET", path).json()[0]["status"] == "succeeded")
    delivery = api("GET", path).json()[0]
    assert (delivery["status"], delivery["attempt_count"], delivery["last_status_code"]) == ("succeeded", 2, 204)
    whole = api("GET", f"deliveries/{delivery['id']}").json()
    assert [each["status_code"] for each in whole["attempts"]] == [503, 204]
    return endpoint


def revoke(page, demo, key_id, api, kept):
    """End the key in the pages; the very next call is refused."""
    page.goto(f"{demo.url}/o/acme/settings/integration/api-keys/{key_id}/")
    kept.append(page.content())
    page.click(f"a[href$='{key_id}/revoke/']")
    kept.append(page.content())
    page.fill("input[name=confirm_name]", NAME)
    page.click("button.btn-d")
    page.wait_for_url(f"**/api-keys/{key_id}/")
    refused = api("GET", "me")
    assert (refused.status_code, refused.json()["code"]) == (401, "revoked_api_key")


def look_at_the_audit_log(page, demo, key_id, receiver_url, kept):
    """Find the key's making and end, its calls, and the delivery."""
    log = f"{demo.url}/o/acme/settings/integration/audit/"
    page.click("nav a[href$='/settings/integration/audit/']:visible")
    assert page.locator("tbody tr").count() > 5
    for query, text, least in (
        (f"category=change&target={key_id}", NAME, 2),
        (f"category=api_call&key={key_id}", "/v1/users", 5),
        ("category=delivery", receiver_url, 2),
    ):
        page.goto(f"{log}?{query}")
        kept.append(page.content())
        assert page.locator("tbody tr", has_text=text).count() >= least, query
    for action in ("api_key.created", "api_key.revoked"):
        page.goto(f"{log}?action={action}&target={key_id}")
        assert page.locator("tbody tr").count() == 1, action


def add_passkey(page, demo):
    """Have the browser make one: it does so only where the demo has a name instead of an address."""
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    device.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
    page.goto(f"{demo.url}/account/2fa/webauthn/add/")
    page.click("main form button.btn-p")
    page.wait_for_selector("#codes")  # of recovery, which come with the first second step


def nowhere(demo, secret, kept):
    """Look for a secret in all that was kept: files, output, and pages seen after its own."""
    files = [path for path in Path(demo.folder / "var").rglob("*") if path.is_file()]
    assert "demo.sqlite3" in {path.name for path in files}
    assert [path.name for path in files if secret.encode() in path.read_bytes()] == []
    assert [content for content in (demo.told, *kept) if secret in content] == []

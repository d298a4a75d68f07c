"""What is shown once is found nowhere afterwards: keys, signing secrets, header values, passwords (promise 17).

One test lives through a day of Acme with canaries in every secret place, then looks for them everywhere the product
keeps or shows anything. A search that finds nothing proves nothing: it is also asked for what must be there.
"""

import html
import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.contrib.sessions.models import Session
from django.core import mail
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.test import Client
from structlog.stdlib import ProcessorFormatter

from apps.api_keys import view_models
from apps.api_keys.models import ApiKey
from apps.audit import actions as audit
from apps.audit.exports import jobs
from apps.audit.models import AuditExport
from apps.audit.seal import sealer
from apps.audit.timeline.sources import Filters
from apps.base import redis as shared
from apps.base.actor import system
from apps.base.crypto.secrets import new_key
from apps.base.text.redaction import redact
from apps.orgs.mail import jobs as tasks
from apps.orgs.models import Invitation, User
from apps.sdk_keys.models import Activation, SdkKey
from apps.webhooks.engine.signing import new_secret
from apps.webhooks.models import Attempt, Delivery, Endpoint, ReplayJob
from tests.conftest import PASSWORD, Api, Key
from tests.conventions.routes import routes
from tests.engines import DATA, engine
from tests.receivers import Receiver

HERE = "/o/acme/settings/integration/"
# Django's own place for session keys, and allauth's list of them.
SESSION_TABLES = ("sessions.Session", "usersessions.UserSession")
LOGGERS = ("django", "django.request", "django.server", "django.template", "apps")
REDIS_KEYS = ("portal:*", "ip:*")
# Their answers are kept to be given again.
ONCE = {"Idempotency-Key": "canary-1"}
ENDPOINT = {"url": "https://x.example/", "event_types": ["*"]}


@dataclass
class Day:
    """What happened: the secrets by what they are, and everything that was shown after they had been."""

    secrets: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    session_key: str = ""

    def add_key(self, name: str, text: str) -> str:
        """Watch a key's text and, apart, its secret part."""
        self.secrets |= {name: text, f"secret part of {name}": text[16:48]}
        return text

    def add_signing_secret(self, name: str, text: str) -> str:
        """Watch a signing secret with and without its prefix."""
        self.secrets |= {name: text, f"{name} without its prefix": text.removeprefix("whsec_")}
        return text

    def show(self, name: str, answer: Any) -> Any:
        """Keep a later answer, its headers included."""
        body = b"".join(answer.streaming_content) if answer.streaming else answer.content
        self.shown[name] = f"{dict(answer.headers)}\n{html.unescape(body.decode())}"
        return answer

    def found_in(self, text: str) -> list[str]:
        """Name the secrets that stand in a text."""
        return [name for name, secret in self.secrets.items() if secret in text]


@pytest.fixture
def logs() -> Iterator[io.StringIO]:
    """Everything that any logger says, at DEBUG, as the product's own formatter writes it."""
    root = logging.getLogger()
    formatter = next(each.formatter for each in root.handlers if isinstance(each.formatter, ProcessorFormatter))
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    loggers = [root, *(logging.getLogger(name) for name in LOGGERS)]
    before = [logger.level for logger in loggers]
    root.addHandler(handler)
    for logger in loggers:
        logger.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    for logger, level in zip(loggers, before, strict=True):
        logger.setLevel(level)


def token_of(page: Any) -> str:
    return html.unescape(re.search(r'name="token" value="([^"]+)"', page.content.decode())[1])


def sign_in(day: Day, email: str) -> Client:
    """Once with a wrong password, then with the right one."""
    browser = Client(raise_request_exception=False)
    day.secrets["mistyped password"] = "correct horse bettery 7c1d"
    for name, password in (("refused sign-in", day.secrets["mistyped password"]), ("sign-in", PASSWORD)):
        browser.get("/account/login/")
        day.show(name, browser.post("/account/login/", {"login": email, "password": password}))
    day.session_key = browser.session.session_key
    return browser


def make_keys(day: Day, browser: Client, admin: Api) -> None:
    form = {"name": "Canary of the page", "type": "partner", "scopes": ["users:read"], "expires": "30"}
    path = f"{HERE}api-keys/create/"
    data = {**form, "token": token_of(browser.get(path + "?type=partner"))}
    page = browser.post(path, data)
    day.add_key("key of the page", re.search(r"ipk_[0-9A-Za-z]{50}", page.content.decode())[0])
    day.show("the same form again", browser.post(path, data))
    answer = admin.post(
        "/v1/api-keys", {"name": "Canary of the API", "type": "partner", "scopes": ["users:write"]}, headers=ONCE
    )
    day.add_key("key of the API", answer.json()["key"])
    out = io.StringIO()
    words = ("--org", "acme", "--type", "partner", "--name", "Canary", "--scopes", "users:read", "--json")
    call_command("create_api_key", *words, stdout=out)
    day.add_key("key of the command", re.search(r"ipk_[0-9A-Za-z]{50}", out.getvalue())[0])
    body = {"name": "Canary of an app", "platform": "ios", "app_id": "com.acme.app"}
    app_key = admin.post("/v1/sdk-keys", body, headers=ONCE).json()["key"]
    day.add_key("key of an app", app_key)
    device = {"device_id": "canary-device-3f9c2b7d", "app_id": "com.acme.app"}
    place = Api(app_key).post("/v1/sdk/activations", device).json()
    day.secrets |= {"token of a device": place["token"], "id of a device": device["device_id"]}


def make_endpoints(day: Day, browser: Client, admin: Api, url: str) -> None:
    day.secrets |= {"header of the page": "blue-7d1f0c9ab3", "header of the API": "green-4e2a88d1f0"}
    path = f"{HERE}webhooks/create/"
    form = {"url": url, "all_events": "all", "headers": f"X-Team: {day.secrets['header of the page']}"}
    page = browser.post(path, {**form, "token": token_of(browser.get(path))})
    day.add_signing_secret("whsec of the page", find_signing_secret(page))
    headers = {"X-Team": day.secrets["header of the API"]}
    answer = admin.post("/v1/webhook-endpoints", {"url": url, "event_types": ["*"], "headers": headers}, headers=ONCE)
    day.add_signing_secret("whsec of the API", answer.json()["secret"])
    endpoint = f"/v1/webhook-endpoints/{answer.json()['id']}"
    answer = admin.post(f"{endpoint}/rotate-secret", {}, headers=ONCE)
    day.add_signing_secret("whsec after a rotation", answer.json()["secret"])
    day.show("endpoint changed", admin.patch(endpoint, {"headers": {"X-Team": "••••"}, "description": "Canary"}))
    path = f"{HERE}webhooks/{answer.json()['id']}/rotate-secret/"
    page = browser.post(path, {"token": token_of(browser.get(path)), "overlap_seconds": "3600"})
    day.add_signing_secret("whsec after a rotation on the page", find_signing_secret(page))
    out = io.StringIO()
    call_command("create_endpoint", "--org", "acme", "--url", url, "--events", "license.*", "--json", stdout=out)
    day.add_signing_secret("whsec of the command", json.loads(out.getvalue())["secret"])
    day.show("replay", admin.post(f"{endpoint}/replay", {"status": ["succeeded"]}))


def find_signing_secret(page: Any) -> str:
    return re.search(r"whsec_[A-Za-z0-9+/=]{40,}", html.unescape(page.content.decode()))[0]


def make_a_person(day: Day, admin: Api) -> None:
    day.secrets["password of the API"] = "Tr0ub4dor-9f3c-and-3"
    body = {"name": "Jo", "email": "jo@acme.example", "password": day.secrets["password of the API"]}
    day.show("user made", admin.post("/v1/users", body, headers=ONCE))
    day.show("user made, again", admin.post("/v1/users", body, headers=ONCE))
    day.show("taken address", admin.post("/v1/users", body))


def invite_a_person(day: Day, admin: Api) -> None:
    """The link of an invitation stands in its mail; who follows it chooses a password."""
    body = {"email": "canary@acme.example", "role": "viewer"}
    day.show("invited", admin.post("/v1/invitations", body, headers=ONCE))
    tasks.send_due_mail()
    link = re.search(r"/invitation/([0-9A-Za-z]{43})/", mail.outbox[-1].body)
    day.secrets["token of an invitation"], day.secrets["password of an invitation"] = (
        link[1],
        "a horse 77c1 that accepts",
    )
    mail.outbox.clear()
    browser = Client()
    day.show("link of an invitation", browser.get(link[0]))
    day.show("invitation", browser.get("/invitation/"))
    form = {"name": "C", "password": day.secrets["password of an invitation"]}
    day.show("mistyped acceptance", browser.post("/invitation/", {**form, "name": ""}))
    day.show("accepted", browser.post("/invitation/", form))


def change_the_password(day: Day, browser: Client) -> None:
    day.secrets["new password"] = "a staple that nobody 51d2 knows"
    new = day.secrets["new password"]
    form = {"oldpassword": PASSWORD, "password1": new, "password2": f"{new}-mistyped"}
    day.show("mistyped change", browser.post("/account/password/change/", form))
    day.show("password changed", browser.post("/account/password/change/", {**form, "password2": new}))


def deliver(day: Day, admin: Api, receiver: Receiver) -> None:
    day.show("published", admin.post("/v1/events", {"type": "order.created", "data": DATA}))
    engine().run_until_idle()
    assert [request for request in receiver.requests if request.headers["x-team"] not in day.secrets.values()] == []
    assert len(receiver.requests) >= 2


def make_mistakes(day: Day, browser: Client, admin: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets where they do not belong: in paths, queries, wrong fields, and in the hands of code that breaks."""
    key, secret = day.secrets["key of the page"], day.secrets["whsec of the API"]
    anybody = Client(raise_request_exception=False)
    for path in (f"/v1/users/{key}", f"/v1/api-keys/{key}", f"/v1/{key}", f"/v1/events?type={key}",
                 f"/v1/deliveries?endpoint={key}", f"/v1/users?limit={key}", f"/v1/users?cursor={key}"):  # fmt: skip
        day.show(f"wrong path {path[:14]}", admin.get(path))
        day.show(f"wrong path of nobody {path[:14]}", anybody.get(path))
    day.show("key in the query", anybody.get(f"/v1/me?api_key={key}"))
    day.show("key with an ending", anybody.get("/v1/me", headers={"X-API-Key": f"{key}x"}))
    day.show("two keys", admin.get("/v1/me", headers={"X-API-Key": key}))
    day.show("key as user agent", admin.get("/v1/me", headers={"User-Agent": f"curl {key}"}))
    password = day.secrets["password of the API"]
    for name, path, body in (
        ("short name", "/v1/users", {"name": "", "email": "x", "password": password}),
        ("not JSON", "/v1/users", f'{{"password": "{password}", "name": {key}'.encode()),
        ("number", "/v1/users", f'{{"password": "{password}", "name": 1.{"1" * 40}}}'.encode()),
        ("header", "/v1/webhook-endpoints", {**ENDPOINT, "headers": {"Host": key}}),
        ("event", "/v1/events", {"type": key, "data": {}}),
        ("userinfo", "/v1/webhook-endpoints", {**ENDPOINT, "url": f"https://u:{password}@x.example/"}),
    ):
        day.show(f"refused body: {name}", admin.post(path, body))

    def broken(*_arguments: Any, password: str = "", **_options: Any) -> None:
        raise RuntimeError(f"broken while it held {key} and {secret}")

    with monkeypatch.context() as patch:
        patch.setattr("apps.orgs.members.users.create_user", broken)
        patch.setattr(view_models, "key_rows", broken)
        admin.client.raise_request_exception = False
        body = {"name": "Al", "email": "al@acme.example", "password": password}
        assert day.show("500 of the API", admin.post("/v1/users", body)).status_code == 500
        assert day.show("500 of a page", browser.get(f"{HERE}api-keys/")).status_code == 500


def take_the_log_out() -> AuditExport:
    """An export of Acme's log as a stored job, done."""
    owner = system(ApiKey.objects.get(name="Canary of the page").organization_id)
    job = audit.start_export(actor=owner, filters=Filters(), file_format="jsonl")
    sealer.seal_due()
    for _ in range(5):
        jobs.advance()
    return job


def look_at_everything(day: Day, browser: Client, admin: Api, operator: Client) -> None:
    """Every page, every list and object of the API, every page of the operators."""
    logging.getLogger("django.template").setLevel(logging.INFO)  # long lines on each variable that is not there
    taken_out = take_the_log_out()
    samples = {
        "export_id": taken_out,
        "key_id": ApiKey.objects.get(name="Canary of the page"), "endpoint_id": Endpoint.objects.first(),
        "delivery_id": Delivery.objects.first(), "replay_id": ReplayJob.objects.first(),
        "sdk_key_id": SdkKey.objects.first(), "activation_id": Activation.objects.first(),
        "user_id": User.objects.get(name="Jo"), "invitation_id": Invitation.objects.first(),
    }  # fmt: skip
    ids = {name: row.public_id for name, row in samples.items()}
    ids["creator"] = ids["key_id"]
    for route in routes():
        if "GET" in route.methods and route.interface == "page":
            for query in ("", "?tab=verify", "?tab=settings", "?tab=test", "?tab=request"):
                day.show(f"{route.name} {query}", browser.get(route.at(slug="acme", **ids) + query))
        elif "GET" in route.methods and route.interface == "api" and not route.parameters:
            day.show(route.name, admin.get(route.path))
    for file_format in ("csv", "jsonl"):
        day.show(f"export as {file_format}", admin.get(f"/v1/audit-log/export?format={file_format}"))
    # Stored in gzip, where a search finds nothing: as it is downloaded.
    day.show("stored export", browser.post(f"/o/acme/settings/integration/audit/exports/{taken_out.public_id}/file/"))
    for row in (*ApiKey.objects.all(), *Endpoint.objects.all(), *Delivery.objects.all()):
        collection = {ApiKey: "api-keys", Endpoint: "webhook-endpoints", Delivery: "deliveries"}[type(row)]
        day.show(f"{collection} {row.pk}", admin.get(f"/v1/{collection}/{row.public_id}"))
    for path in ("/account/sessions/", "/account/email/", "/account/2fa/", "/metrics"):
        day.show(path, browser.get(path, headers={"Authorization": f"Bearer {settings.METRICS_TOKEN}"}))
    for model in apps.get_models():
        start = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        if day.show(start, operator.get(start)).status_code == 200:
            for pk in model._base_manager.values_list("pk", flat=True)[:5]:
                day.show(f"{start}{pk}", operator.get(f"{start}{pk}/change/"))


@pytest.fixture
def day(
    logs: io.StringIO, settings: Any, monkeypatch, ada: User, admin_key: Key, working_operator: User, browser_of
) -> Any:
    settings.WEBHOOK_ALLOW_CIDRS = ((ip_network("127.0.0.1/32"), None),)
    day = Day()
    day.add_key("admin key", admin_key.text)
    day.secrets["password"] = PASSWORD
    admin, browser = Api(admin_key), sign_in(day, ada.email)
    with Receiver() as receiver:
        make_keys(day, browser, admin)
        make_endpoints(day, browser, admin, receiver.url)
        make_a_person(day, admin)
        invite_a_person(day, admin)
        deliver(day, admin, receiver)
    make_mistakes(day, browser, admin, monkeypatch)
    change_the_password(day, browser)
    tasks.mail_notices()
    tasks.send_due_mail()
    look_at_everything(day, browser, admin, browser_of(working_operator))
    return day


def rows() -> Iterator[tuple[str, str]]:
    for model in apps.get_models():
        for row in model._base_manager.values():
            yield model._meta.label, repr(row)
    for session in Session.objects.all():
        yield "session data", repr(session.get_decoded())


def database_files() -> bytes:
    """The bytes on disk, pages that were freed included."""
    if connection.vendor != "sqlite":
        return b""
    name = str(connection.settings_dict["NAME"])
    found = b""
    for suffix in ("", "-wal"):
        try:
            with open(name + suffix, "rb") as file:
                found += file.read()
        except FileNotFoundError:
            continue
    return found


def cached() -> str:
    """What the process and, where there is one, Redis keep under the portal's names."""
    kept = [repr(getattr(cache, "_cache", {}))]
    if settings.REDIS_URL:
        client = shared.client()
        for pattern in REDIS_KEYS:
            names = [name for name in client.scan_iter(pattern) if client.type(name) == b"string"]
            kept += [repr((name, client.get(name))) for name in names]
    return "\n".join(kept)


@pytest.mark.django_db(transaction=True)
def test_a_secret_is_found_nowhere_after_it_was_shown(day: Day, logs: io.StringIO):
    leaks: list[tuple[str, list[str]]] = []

    def look(where: str, text: str) -> None:
        found = day.found_in(text)
        if day.session_key in text and where not in (*SESSION_TABLES, "database file", "session data"):
            found.append("session key")
        if found:
            leaks.append((where, found))

    for label, row in rows():
        look(label, row)
    for name, text in day.shown.items():
        look(f"answer: {name}", text)
    for line in logs.getvalue().splitlines():
        look(f"log: {line[:80]}", line)
    for message in mail.outbox:
        look(f"mail: {message.subject}", message.message().as_string())
    look("cache", cached())
    look("database file", database_files().decode("latin-1"))
    assert leaks == []

    passwords = User.objects.exclude(password="").values_list("password", flat=True)
    assert [value for value in passwords if not value.startswith(("argon2$argon2id$", "!"))] == []

    # And the searches do see what is there.
    everything = "".join(text for _label, text in rows())
    assert "Canary of the page" in everything and "Canary of the API" in everything
    assert "Canary of the page" in day.shown["api_keys "] and "X-Team" in day.shown["webhook ?tab=settings"]
    assert [
        name
        for name in ("stored export", "export as csv", "export as jsonl")
        if "Canary of the API" not in day.shown[name]
    ] == []
    assert "broken while it held ipk_" in logs.getvalue() and "[redacted]" in logs.getvalue()
    assert connection.vendor != "sqlite" or b"Canary of the page" in database_files()
    assert Attempt.objects.filter(request_headers__has_key="x-team").exists() or "X-Team" in everything


@pytest.mark.django_db
def test_what_is_kept_instead_are_digests(ada: User, make_key: Callable[..., Key]):
    key = make_key(ada.memberships.get().organization)
    assert User.objects.get().password.startswith("argon2$argon2id$")
    row = ApiKey.objects.get(key_id=key.text[4:16])
    assert re.fullmatch(r"[0-9a-f]{64}", row.digest) and row.last_four == key.text[-4:]


@pytest.mark.django_db
def test_no_error_repeats_a_key_that_was_typed_into_the_wrong_field(admin_key: Key):
    text = new_key("ipk_").plaintext
    key = {"name": "x", "type": "partner", "scopes": ["users:read"]}
    repeated = []
    for path, body in (
        ("/v1/api-keys", {**key, "type": text}),
        ("/v1/api-keys", {**key, "scopes": [text]}),
        ("/v1/api-keys", {**key, "allowed_networks": [text]}),
        ("/v1/api-keys", {**key, text: 1}),
        ("/v1/webhook-endpoints", {**ENDPOINT, "event_types": [text]}),
        ("/v1/webhook-endpoints", {**ENDPOINT, "headers": {f"{text} ": "x"}}),
        ("/v1/events", {"type": "order.created", "data": {"order_id": "1", "status": text}}),
        ("/v1/users", f'{{"{text}": 1, "{text}": 2}}'.encode()),
    ):
        answer = Api(admin_key).post(path, body)
        assert answer.status_code == 400
        if text[16:40] in answer.content.decode():
            repeated.append((path, answer.json()["error"]))
    assert repeated == []


@pytest.mark.parametrize("text", [
    "{key}", "key={key}", '{{"key": "{key}"}}', "/v1/me?a=%3D{key}", "a\\n{key}\\n", "b'X-API-Key: {key}'", "x{key}x",
    "{secret}", "secret={secret}", "a\\n{secret}", "'webhook_secret': '{secret}'",
    "Authorization: Bearer {key}", "authorization=x-api-key {key}", "{{'HTTP_AUTHORIZATION': 'Bearer {key}'}}",
    "Cookie: session={key}",
])  # fmt: skip
def test_a_log_line_never_holds_a_secret(logs: io.StringIO, text: str):
    key, secret = new_key("ipk_").plaintext, new_secret()
    line = text.format(key=key, secret=secret)
    logger: Callable[..., None] = logging.getLogger("apps.canary").warning
    logger(line)
    logger("%s", line)
    logger("in a dictionary", extra={"given": {line: [line]}})
    try:
        raise RuntimeError(line)
    except RuntimeError:
        logger("failed", exc_info=True)
    written = logs.getvalue()
    assert written.count("apps.canary") == 4
    assert key[16:48] not in written and secret[6:] not in written
    assert redact("an ordinary line, user_0351vHvfrehMNVP7bVBIYB") == "an ordinary line, user_0351vHvfrehMNVP7bVBIYB"

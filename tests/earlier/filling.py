"""A database that the earlier code filled through its own pages, API and commands, and what people keep of it."""

import json
import re
import time
from typing import Any

import requests

from benchmarks.code_paths import Forms
from tests.authenticators import Passkey, asked_of, code_now
from tests.earlier.people import ADD_PASSKEY, HERE, PASSWORD, PUBLIC, RESET, Person
from tests.earlier.portals import MIGRATE_SECONDS, kept_by, link
from tests.earlier.traffic import publish
from tests.servers import Portal

CREATE_KEY = f"{HERE}api-keys/create/"
ADA, VERA, JO = "ada@acme.example", "vera@acme.example", "jo@acme.example"
INVITATION, NEW_PASSWORD = r"/invitation/[0-9A-Za-z]{43}/", r"/account/password/reset/key/[-\w]+/"
STEP_SECONDS = 30


class Filled:
    """A database that the earlier code filled, and what people and programs keep of it."""

    def __init__(self, portal: Portal, receiver: str) -> None:
        self.portal, self.folder, self.receiver = portal, portal.folder, receiver
        self._organization()
        portal.start()
        try:
            self._people()
            self._programs()
            self._devices()
            assert self._publish("delivered").status == 202
            portal.manage("worker", "--once")
            self.invitation, self.reset = link(self.folder, JO, INVITATION), link(self.folder, VERA, NEW_PASSWORD)
            self._left_open()
        finally:
            portal.stop()
        self.kept = kept_by(portal)
        assert len(self.kept["secrets"]) >= 5 and self.kept["checkpoints"]

    def _organization(self) -> None:
        self.portal.manage("migrate", "--verbosity", "0", seconds=MIGRATE_SECONDS)
        words = ("--name", "Acme", "--slug", "acme", "--owner-email", ADA, "--json")
        made = json.loads(self.portal.manage("create_organization", *words))
        self.first_link = made["set_password_link"].removeprefix(PUBLIC)
        self.key = self.portal.make_key("admin", type="internal")["key"]

    def _people(self) -> None:
        """Ada has an app, recovery codes and a passkey; Vera a password alone. Both stay signed in."""
        self.ada, self.vera = Person(self.portal), Person(self.portal)
        choosing = self.ada.get(self.first_link)
        form = Forms(choosing.text).with_field("password1")
        path = choosing.url.partition(str(self.portal.ports[0]))[2]
        self.ada.post(path, {**form, "password1": PASSWORD, "password2": PASSWORD})
        assert self.ada.sign_in(ADA).is_in
        self._second_step()
        for email in (VERA, JO):
            body = {"email": email, "role": "developer"}
            assert self.portal.post("/v1/invitations", self.key, body).status == 201
        self.portal.manage("worker", "--once")
        self.vera.accept(link(self.folder, VERA, INVITATION), "Vera").sign_out()
        assert self.vera.sign_in(VERA).is_in
        Person(self.portal).fill(RESET, email=VERA)

    def _second_step(self) -> None:
        page = self.ada.get("/account/2fa/totp/activate/")
        self.app = re.search(r'id="totp-secret"[^>]*>([A-Z2-7]+)<', page.text)[1]
        self.code_step = int(time.time()) // STEP_SECONDS
        shown = self.ada.post(
            "/account/2fa/totp/activate/", {**Forms(page.text).with_field("code"), "code": self.code()}
        )
        self.recovery_codes = re.search(r'id="codes"[^>]*>([^<]+)<', shown.text)[1].split()
        self.passkey, page = Passkey(), self.ada.get(ADD_PASSKEY)
        credential = self.passkey.register(asked_of(page, "creation_options"), origin=PUBLIC)
        fields = {**Forms(page.text).with_field("credential"), "name": "Laptop", "passwordless": "on"}
        assert self.ada.post(ADD_PASSKEY, {**fields, "credential": credential}).ok

    def code(self) -> str:
        """Return what the app shows."""
        return code_now(self.app)

    def unused_code(self) -> str:
        """Return what the app shows once the code that was used is over."""
        while int(time.time()) // STEP_SECONDS <= self.code_step:
            time.sleep(0.5)
        return self.code()

    def _programs(self) -> None:
        """One endpoint with headers and two secrets, one that is paused; a request that may be repeated."""
        body = {"url": self.receiver, "event_types": ["order.*"], "headers": {"X-Team": "blue"}}
        made = self._post("/v1/webhook-endpoints", body)
        self.endpoint, self.old_secret = made["id"], made["secret"]
        self.secret = self._post(f"/v1/webhook-endpoints/{self.endpoint}/rotate-secret", {})["secret"]
        held = self._post("/v1/webhook-endpoints", {"url": f"{self.receiver}-held", "event_types": ["*"]})
        self.held, self.held_secret = held["id"], held["secret"]
        self._post(f"/v1/webhook-endpoints/{self.held}/pause", {})
        self.once = {"name": "Once", "email": "once@acme.example", "password": PASSWORD}
        self.answered = self.repeat(self.portal)

    def _devices(self) -> None:
        body = {"name": "App", "platform": "ios", "app_id": "com.acme.app"}
        self.sdk_key = self._post("/v1/sdk-keys", body)["key"]
        device = {"device_id": "3F2504E0-4F89-11D3-9A0C-0305E82C3301", "app_id": "com.acme.app", "app_version": "4.2.0"}
        self.device = json.loads(self.portal.post("/v1/sdk/activations", self.sdk_key, device).body)

    def heartbeat(self, portal: Portal) -> int:
        """Return the status of the device's heartbeat."""
        headers = {"Authorization": f"Bearer {self.sdk_key}", "X-Activation-Token": self.device["token"]}
        url = f"http://localhost:{portal.ports[0]}/v1/sdk/activations/{self.device['id']}/heartbeat"
        return requests.post(url, json={"app_version": "4.2.1"}, headers=headers, timeout=60).status_code

    def repeat(self, portal: Portal) -> tuple[int, str | None, Any]:
        """Make the request that carries an Idempotency-Key, and return its answer."""
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": "the-same-again"}
        url = f"http://localhost:{portal.ports[0]}/v1/users"
        answer = requests.post(url, json=self.once, headers=headers, timeout=60)
        return answer.status_code, answer.headers.get("Idempotency-Replayed"), answer.json()

    def _left_open(self) -> None:
        """What waits when the code changes: a delivery, a mail, a form; one delivery is held already."""
        assert self._publish("waits").status == 202
        Person(self.portal).fill(RESET, email=ADA)
        self.form = self.ada.form(f"{CREATE_KEY}?type=partner", "name")

    def _publish(self, number: str) -> Any:
        return publish(self.portal, self.key, number)

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self.portal.post(path, self.key, body)
        assert answer.status in (200, 201), (path, answer.status, answer.body)
        return json.loads(answer.body)

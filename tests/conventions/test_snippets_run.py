"""Every snippet of the reference runs against a running portal, exactly as shown, and gets an answer it documents.

curl in a shell, Python and Node in one process each. What stands in a snippet as a variable comes from earlier answers.
"""

import contextlib
import io
import json
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
import requests

from apps.api_keys.actions import Lifetime
from apps.base.actor import system
from apps.base.rest.snippets import LANGUAGES, SDK_KEY, render_snippet
from apps.webhooks.models import Delivery, DeliveryStatus
from integrations_portal.api_docs.rate_limits import RETRY_EXAMPLE
from integrations_portal.api_docs.reference import ServedOperation, served_operations
from integrations_portal.overview import first_steps
from integrations_portal.urls import documented
from tests.conftest import Api
from tests.programs import need

# Grouped by what they need: an object is made, used in every way, and ended.
ORDER = (
    *("getMe", "listEventTypes", "getEventType"),
    *("createInvitation", "listInvitations", "deleteInvitation"),
    *("createUser", "listUsers", "getUser", "updateUser", "updateUserByPut", "deleteUser", "createUsers"),
    *("createApiKey", "listApiKeys", "getApiKey", "updateApiKey", "disableApiKey", "enableApiKey", "releaseApiKey"),
    *("getApiKeyUsage", "getUsage", "verifyApiKey", "reportLeakedKey", "rotateApiKey", "revokeApiKey"),
    *("createWebhookEndpoint", "listWebhookEndpoints", "getWebhookEndpoint", "updateWebhookEndpoint"),
    *("pauseWebhookEndpoint", "enableWebhookEndpoint", "testWebhookEndpoint", "rotateWebhookSecret"),
    *("publishEvent", "publishEvents", "listEvents", "getEvent", "listDeliveries", "getDelivery", "retryDelivery"),
    *("replayWebhookEndpoint", "listReplays", "getReplay", "cancelReplay", "deleteWebhookEndpoint"),
    *("createSdkKey", "listSdkKeys", "getSdkKey", "updateSdkKey", "disableSdkKey", "enableSdkKey", "releaseSdkKey"),
    *(
        "activateDevice",
        "getOwnActivation",
        "recordHeartbeat",
        "deactivateOwnActivation",
        "listActivations",
        "deactivateActivation",
    ),
    *("rotateSdkKey", "revokeSdkKey", "listAuditLog", "exportAuditLog", "listDescendants", "endDescendants"),
)
# The variables that an answer fills: which operation, which field of it, which variable.
FILLS = (
    ("createInvitation", "id", "INVITATION_ID"), ("createUser", "id", "USER_ID"), ("createApiKey", "id", "API_KEY_ID"),
    ("createWebhookEndpoint", "id", "WEBHOOK_ENDPOINT_ID"), ("publishEvent", "id", "EVENT_ID"),
    ("createSdkKey", "id", "SDK_KEY_ID"), ("createSdkKey", "key", SDK_KEY),
    ("activateDevice", "id", "ACTIVATION_ID"), ("activateDevice", "token", "ACTIVATION_TOKEN"),
)  # fmt: skip
# A shell's own settings of curl, so that the command stays as it is shown: quiet, with the status on a last line.
CURLRC = 'silent\nshow-error\nmax-time = 30\nwrite-out = "\\n%{http_code}"\n'
NODE_DRIVER = """
import { createInterface } from "node:readline";
const said = [], real = globalThis.fetch;
let status = 0;
globalThis.fetch = async (...given) => { const answer = await real(...given); status = answer.status; return answer; };
const log = console.log;
console.log = (...texts) => said.push(...texts.map((text) => typeof text === "string" ? text : JSON.stringify(text)));
let number = 0;
for await (const line of createInterface({ input: process.stdin })) {
  const { code, variables } = JSON.parse(line);
  Object.assign(process.env, variables);
  said.length = 0;
  let error = null;
  // The comment makes each a module of its own.
  const module = "data:text/javascript," + encodeURIComponent(`${code}\\n// ${number++}`);
  await import(module).catch((e) => { error = String(e); });
  log(JSON.stringify({ status, text: said.join("\\n"), error }));
}
"""


@dataclass
class Answered:
    """What running a snippet came to."""

    status: int
    text: str

    @property
    def body(self) -> Any:
        """Its answer as JSON."""
        return json.loads(self.text)


Run = Callable[[str, dict[str, str]], Answered]


@dataclass
class Tour:
    """One organization's variables, on the way through every operation."""

    run: Run
    variables: dict[str, str]
    seen: dict[str, Answered] = field(default_factory=dict)

    def post(self, path: str, body: Any, key: str = "") -> Any:
        """Make a call beside the snippets, to give the next one something to act on."""
        answer = Api(key or self.variables["API_KEY"]).post(path, body)
        assert answer.status_code < 300, (path, answer.content)
        return answer.json()

    def prepare(self, name: str) -> None:
        """Make what an operation needs and no operation before it makes."""
        if name == "retryDelivery":
            listed = Api(self.variables["API_KEY"]).get("/v1/deliveries").json()
            self.variables["DELIVERY_ID"] = next(each["id"] for each in listed if not each["test"])
        if name == "getDelivery":
            self.variables["DELIVERY_ID"] = self.seen["testWebhookEndpoint"].body["id"]
        if name == "listReplays":
            # With something to replay: a replay of nothing is done at once.
            Delivery.objects.update(status=DeliveryStatus.EXHAUSTED, next_attempt_at=None)
            made = self.post(f"/v1/webhook-endpoints/{self.variables['WEBHOOK_ENDPOINT_ID']}/replay", {})
            self.variables["REPLAY_ID"] = made["id"]
        if name == "deactivateActivation":
            device = {"device_id": "another", "app_id": "com.acme.app"}
            made = self.post("/v1/sdk/activations", device, self.variables[SDK_KEY])
            self.variables["ACTIVATION_ID"] = made["id"]

    def take(self, each: ServedOperation, code: str) -> None:
        """Run an operation's snippet, judge its answer, and keep what the next ones need of it."""
        name = each.operation.id
        self.prepare(name)
        answered = self.run(code, self.variables)
        assert answered.status in each.operation.responses, (name, answered, code)
        self.seen[name] = answered
        for operation, which, variable in FILLS:
            if operation == name and answered.text.strip().startswith(("{", "[")):
                self.variables[variable] = answered.body[which]


@contextlib.contextmanager
def in_a_shell(folder: Path, _monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run each snippet by a shell of its own."""
    need("curl")
    (folder / ".curlrc").write_text(CURLRC)

    def run(code: str, variables: dict[str, str]) -> Answered:
        environment = {"PATH": os.environ["PATH"], "CURL_HOME": str(folder), "HOME": str(folder), **variables}
        done = subprocess.run(
            ["sh", "-s"], input=code, env=environment, cwd=folder, capture_output=True, text=True, timeout=40
        )
        assert done.returncode == 0, (done.stderr, code)
        text, _line, status = done.stdout.rpartition("\n")
        return Answered(int(status), text)

    yield run


@contextlib.contextmanager
def in_python(_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run each snippet as a module of its own in this process: starting Python anew for each takes a second."""

    def run(code: str, variables: dict[str, str]) -> Answered:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        scope: dict[str, Any] = {"__name__": "__main__"}
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, "snippet.py", "exec"), scope)
        answer = scope["answer"]
        assert printed.getvalue().strip(), code
        return Answered(answer.status_code, answer.text)

    yield run


@contextlib.contextmanager
def in_node(folder: Path, _monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Run each snippet as a module of its own in one Node."""
    need("node")
    (folder / "driver.mjs").write_text(NODE_DRIVER)
    with subprocess.Popen(
        ["node", folder / "driver.mjs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    ) as node:

        def run(code: str, variables: dict[str, str]) -> Answered:
            print(json.dumps({"code": code, "variables": variables}), file=node.stdin, flush=True)
            said = json.loads(node.stdout.readline())
            assert said["error"] is None and said["text"], (said, code)
            return Answered(said["status"], said["text"])

        yield run
        node.stdin.close()


RUNNERS = {"curl": in_a_shell, "python": in_python, "node": in_node}


@pytest.mark.pure
def test_every_operation_is_on_the_tour() -> None:
    assert sorted(ORDER) == sorted(each.operation.id for each in served_operations(documented))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_snippet_gets_an_answer_that_is_documented(
    live_server, settings, acme, make_key, tmp_path, monkeypatch, language
):
    settings.PUBLIC_URL = live_server.url
    key = make_key(acme, "admin", type="internal", lifetime=Lifetime.days(365)).text
    every = {each.operation.id: each for each in served_operations(documented)}
    with RUNNERS[language](tmp_path, monkeypatch) as run:
        tour = Tour(run, {"API_KEY": key, "EVENT_TYPE_NAME": "order.created"})
        for name in ORDER:
            tour.take(every[name], render_snippet(every[name].snippet_request, language))
    assert len(tour.seen) == len(ORDER) > 50
    assert tour.seen["verifyApiKey"].body == {"valid": False, "code": "invalid_api_key"}
    assert tour.seen["getMe"].body["organization"]["slug"] == "acme"


class Busy(BaseHTTPRequestHandler):
    """Answers 429 twice, then 200."""

    answers: ClassVar[list[int]] = []

    def do_GET(self) -> None:
        status = 429 if len(self.answers) < 2 else 200
        self.answers.append(status)
        self.send_response(status)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_given: Any) -> None:
        pass


@pytest.mark.pure
def test_the_code_that_waits_waits(monkeypatch):
    monkeypatch.setattr(Busy, "answers", [])
    waits, scope = [], {}
    monkeypatch.setattr("time.sleep", waits.append)
    exec(RETRY_EXAMPLE, scope)
    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with requests.Session() as session:
            answer = scope["call"](session, "GET", f"http://127.0.0.1:{server.server_port}/")
        server.shutdown()
    assert (answer.status_code, Busy.answers, waits[:2]) == (200, [429, 429, 200], [0, 0])


def test_the_command_of_the_overview_is_answered(live_server, settings, acme, acme_key, tmp_path):
    settings.PUBLIC_URL = live_server.url
    step = next(step for step in first_steps.made(system(acme.pk), "acme") if "curl" in str(step["text"]))
    with in_a_shell(tmp_path, pytest.MonkeyPatch()) as run:
        assert run(step["text"], {"API_KEY": acme_key.text}).body["organization"]["slug"] == "acme"
        assert "\n" not in step["text"]

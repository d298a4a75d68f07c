"""The snippets: the page shows them, the documentation has the same, and those that can run here verify."""

import json
import os
import re
import shutil
import subprocess
import time

import pytest
import requests
from django.http import HttpResponse
from django.test import RequestFactory

from apps.webhooks.engine.signing import new_secret, secret_bytes, sign
from apps.webhooks.view_models.verification_code import SECRET_NAME, SNIPPETS, snippet_of
from tests.conventions.tree import read
from tests.programs import need
from tests.webhooks.pages import at, make, text_of

# The two packages of the Node snippet as far as it uses them, for npm is not among what the tests may fetch: the raw
# body and lower-case headers of a real server, and the check of Standard Webhooks written from its specification.
EXPRESS = """
import { createServer } from "node:http";
const express = () => {
  const routes = {};
  const answer = async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    response.sendStatus = (status) => response.writeHead(status).end();
    const [readBody, handler] = routes[request.url];
    request.body = readBody(Buffer.concat(pieces), request);
    handler(request, response);
  };
  return { post: (path, ...steps) => { routes[path] = steps; },
           listen: (...given) => createServer(answer).listen(...given) };
};
express.raw = ({ type }) => (body, request) => request.headers["content-type"] === type ? body : {};
export default express;
"""
STANDARD_WEBHOOKS = """
import { createHmac, timingSafeEqual } from "node:crypto";
export class Webhook {
  constructor(secret) { this.key = Buffer.from(secret.replace("whsec_", ""), "base64"); }
  verify(body, headers) {
    if (typeof body !== "string") throw new Error("not the text of the body");
    const [id, at, given] = ["id", "timestamp", "signature"].map((name) => headers[`webhook-${name}`]);
    if (!id || !given || Math.abs(Date.now() / 1000 - at) > 300) throw new Error("missing, or too old");
    const right = createHmac("sha256", this.key).update(`${id}.${at}.${body}`).digest();
    const same = (each) => each.length === right.length && timingSafeEqual(each, right);
    const signatures = given.split(" ").map((each) => Buffer.from(each.replace("v1,", ""), "base64"));
    if (!signatures.some(same)) throw new Error("wrong");
    return JSON.parse(body);
  }
}
"""
AROUND = """
globalThis.handleLater = (id, event) => console.log(JSON.stringify([id, event]));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
"""
BODY = '{"type":"order.created","data":{"note":"é 1.10"}}'.encode()


def signed(secret, body=BODY, at=None):
    return sign([secret_bytes(secret)], "evt_1", int(at or time.time()), body)


def receiver(monkeypatch, secret):
    """The unchanged Python snippet, with a list for what it passes on."""
    monkeypatch.setenv(SECRET_NAME, secret)
    handled = []
    scope = {"handle_later": lambda *given: handled.append(given)}
    exec(snippet_of("python").code, scope)
    return scope["receive"], handled


@pytest.mark.pure
def test_the_python_snippet_verifies_what_we_sign(monkeypatch):
    secret = new_secret()
    receive, handled = receiver(monkeypatch, secret)

    def post(headers, body=BODY):
        given = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}
        answer: HttpResponse = receive(RequestFactory().post("/hooks", body, content_type="application/json", **given))
        return answer.status_code

    assert post(signed(secret)) == 204
    assert handled == [("evt_1", json.loads(BODY))]
    assert post(signed(new_secret())) == post(signed(secret), BODY + b" ") == post({}) == 400
    assert post(signed(secret, at=time.time() - 600)) == 400


def package(folder, name, code):
    home = folder / "node_modules" / name
    home.mkdir(parents=True)
    (home / "package.json").write_text(json.dumps({"name": name, "type": "module", "exports": "./index.js"}))
    (home / "index.js").write_text(code, encoding="utf-8")


@pytest.mark.pure
def test_the_node_snippet_verifies_what_we_sign(tmp_path):
    need("node")
    secret = new_secret()
    package(tmp_path, "express", EXPRESS)
    package(tmp_path, "standardwebhooks", STANDARD_WEBHOOKS)
    (tmp_path / "receiver.mjs").write_text(snippet_of("node").code + AROUND, encoding="utf-8")
    environment = {"PATH": os.environ["PATH"], SECRET_NAME: secret}
    with subprocess.Popen(
        ["node", "receiver.mjs"], cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as node:
        url = f"http://127.0.0.1:{int(node.stdout.readline())}/hooks"

        def post(headers, body=BODY):
            return requests.post(
                url, body, headers={"Content-Type": "application/json", **headers}, timeout=10
            ).status_code

        try:
            assert post(signed(secret)) == 204
            assert json.loads(node.stdout.readline()) == ["evt_1", json.loads(BODY)]
            assert post(signed(new_secret())) == post(signed(secret), BODY + b" ") == post({}) == 400
            assert post(signed(secret, at=time.time() - 600)) == 400
        finally:
            node.terminate()


@pytest.mark.pure
@pytest.mark.parametrize(("language", "program"), [("php", "php"), ("ruby", "ruby"), ("node", "node")])
def test_a_snippet_is_a_program(language, program, tmp_path):
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    file = tmp_path / {"php": "a.php", "ruby": "a.rb", "node": "a.mjs"}[language]
    file.write_text(snippet_of(language).code, encoding="utf-8")
    flags = {"php": ["-l"], "ruby": ["-c"], "node": ["--check"]}[language]
    subprocess.run([program, *flags, file], check=True, capture_output=True, timeout=30)


@pytest.mark.pure
def test_the_example_of_the_documentation_is_signed_with_the_secret_beside_it():
    page = read("docs/verify-webhooks.md")
    message = re.search(r"```http\n.*?\n(.*?)\n\n(.*?)\n```", page, re.DOTALL)
    headers = dict(line.split(": ", 1) for line in message[1].splitlines())
    secret = re.search(r"`(whsec_[\w+/=]+)`", page)[1]
    made = sign([secret_bytes(secret)], headers["webhook-id"], int(headers["webhook-timestamp"]), message[2].encode())
    assert made["webhook-signature"] == headers["webhook-signature"]


@pytest.mark.pure
def test_the_documentation_has_the_same_snippets():
    page = read("docs/verify-webhooks.md")
    for snippet in SNIPPETS:
        assert f"## {snippet.title}" in page and snippet.install in page and snippet.code in page, snippet.title


@pytest.mark.django_db
def test_the_page_shows_each_with_the_readers_own_address(browser_of, vera, acme):
    endpoint = make(acme)
    for snippet in SNIPPETS:
        words = text_of(browser_of(vera).get(at(endpoint, f"?tab=verify&lang={snippet.key}")))
        assert snippet.package in words and endpoint.url in words and SECRET_NAME in words
        assert "webhook-signature" in words and "manage.py listen" in words
    assert browser_of(vera).get(at(endpoint, "?tab=verify&lang=cobol")).status_code == 200

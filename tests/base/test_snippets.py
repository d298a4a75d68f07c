"""Snippets send the exact path, headers and body, whatever their characters: real shells and languages run them."""

import json
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from apps.base.rest.snippets import (
    NO_BODY,
    SnippetRequest,
    Variable,
    as_curl,
    as_node,
    as_python,
    logged_request,
    request_as_curl,
    url_of,
    variable_of,
)
from tests.programs import need

pytestmark = pytest.mark.pure

# Each would do something if a shell, Python or Node read it as its own.
HOSTILE = (
    "it's", '"quoted"', "$(touch OWNED)", "`touch OWNED`", "${HOME}", "$HOME", "a\\b\\", "!!", "; touch OWNED;",
    "& touch OWNED &",
    "{}", "{0}", "{os.getcwd()}", "[1-3]", "{a,b}", "%s %(x)s", "é€\u2028", "${process.exit(3)}", "#{1}", "\t",
    "*", "-d", "@/etc/hostname",
)  # fmt: skip
PATH = "/in/'%22$(touch%20OWNED)`x`{a,b}[1-3]!!\\;&|?q=$HOME&x={1..3}"


@pytest.fixture
def server():
    """A server that records requests."""
    seen = []

    class Keeper(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            seen.append((self.command, self.path, self.headers, body))
            self.send_response(204)
            self.end_headers()

        do_GET = do_HEAD = do_PATCH = do_POST

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Keeper) as listening:
        listening.seen, listening.url = seen, f"http://127.0.0.1:{listening.server_port}"
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        yield listening
        listening.shutdown()


def run(words, folder, text=None, **variables):
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "PYTHONUTF8": "1", **variables}
    done = subprocess.run(words, input=text, cwd=folder, env=environment, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, (done.stderr, text)
    assert not (folder / "OWNED").exists()


def read_by(language, call, folder, **variables):
    """Run a snippet by a shell, Python or Node."""
    if language == "curl":
        need("curl")
        for shell in ("bash", "dash"):
            if shutil.which(shell):
                run([shell, "-s"], folder, as_curl(call), **variables)
    elif language == "python":
        (folder / "snippet.py").write_text(as_python(call), encoding="utf-8")
        run([sys.executable, "snippet.py"], folder, **variables)
    else:
        need("node")
        (folder / "snippet.mjs").write_text(as_node(call), encoding="utf-8")
        run(["node", "snippet.mjs"], folder, **variables)


@pytest.mark.parametrize("language", ["curl", "python", "node"])
def test_what_is_hostile_arrives_as_it_is(server, tmp_path, language):
    odd = [text for text in HOSTILE if text.isascii() and text.strip() and "\t" not in text]
    headers = tuple((f"X-H-{number}", (text,)) for number, text in enumerate(odd))
    mixed = ("X-Mixed", ("a'$(touch OWNED)`{x}!\\", Variable("API_KEY"), "{y}${z}"))
    body = {"texts": list(HOSTILE), **dict.fromkeys(HOSTILE, None), "n": [1, 1.5, True, False, {}, []], "big": "x" * 99}
    call = SnippetRequest(
        "POST", (server.url + "/a/", Variable("ID"), "/b'{c}"), (*headers, mixed), body, response_type=NO_BODY
    )
    read_by(language, call, tmp_path, ID="one", API_KEY="k$(touch OWNED)'\"`")
    assert server.seen
    for method, path, given, sent in server.seen:
        assert (method, path.replace("%27", "'").replace("%7B", "{").replace("%7D", "}")) == ("POST", "/a/one/b'{c}")
        assert {name: given[name] for name, _value in headers} == {name: text for name, (text,) in headers}
        assert given["X-Mixed"] == "a'$(touch OWNED)`{x}!\\k$(touch OWNED)'\"`{y}${z}"
        assert given["Content-Type"] == "application/json" and json.loads(sent) == body


def test_a_request_that_was_sent_is_sent_again_byte_by_byte(server, tmp_path):
    body = '@{"a": "it\'s 1.10 $(touch OWNED)",\n "é": "\\u0000"}\n'
    headers = {
        "webhook-id": "evt_1",
        "X-Odd": "a'b\"c$(touch OWNED)`d`\\",
        "X-Empty": "",
        "Content-Type": "application/json",
    }
    need("curl")
    run(["bash", "-s"], tmp_path, request_as_curl("POST", server.url + PATH, headers, body))
    ((method, path, given, sent),) = server.seen
    assert (method, path, sent.decode()) == ("POST", PATH, body)
    assert {name: given[name] for name in headers} == headers


def test_a_call_of_the_log_holds_places_instead_of_ids_bodies_and_keys(settings, server, tmp_path):
    settings.PUBLIC_URL = server.url
    (tmp_path / "body.json").write_text('{"name": "Jo"}')
    call = logged_request("PATCH", "/v1/users/{id}", "key")
    assert '"Authorization: Bearer $API_KEY"' in as_curl(call) and '/v1/users/$USER_ID"' in as_curl(call)
    need("curl")
    run(["bash", "-s"], tmp_path, as_curl(call), API_KEY="ipk_1", USER_ID="user_1")
    ((method, path, given, sent),) = server.seen
    assert (method, path, given["Authorization"], sent) == (
        "PATCH",
        "/v1/users/user_1",
        "Bearer ipk_1",
        b'{"name": "Jo"}',
    )
    assert "$SDK_KEY" in as_curl(logged_request("POST", "/v1/sdk/activations", "sdk"))
    run(["bash", "-s"], tmp_path, as_curl(logged_request("HEAD", "/v1/*")), API_KEY="ipk_1")
    assert server.seen[-1][:2] == ("HEAD", "/v1/*")
    run(["bash", "-s"], tmp_path, as_curl(logged_request("GET", "/v1/$(touch${IFS}OWNED)'/x")), API_KEY="ipk_1")


def test_a_variable_is_named_after_what_it_is_the_id_of():
    named = {"/v1/users/": "USER_ID", "/v1/api-keys/": "API_KEY_ID", "/v1/deliveries/": "DELIVERY_ID"}
    assert {route: variable_of(route, "id") for route in named} == named
    assert variable_of("/v1/event-types/", "name") == "EVENT_TYPE_NAME"
    found = url_of("/v1/sdk-keys/{id}/activations/{act}")
    assert [each.name for each in found if isinstance(each, Variable)] == ["SDK_KEY_ID", "ACTIVATION_ID"]

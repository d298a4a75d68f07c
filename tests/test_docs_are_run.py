"""Commands and programs of README.md and docs/ are typed as they stand, in a clone, or have a reason why not.

A console block is typed line by line into one shell for each page. A text such as ``ipk_…`` stands for the newest text
of that form that was printed, as for a person who copies it. Not typed: what installs, and what needs root or a
container engine; tests/conventions/test_documentation_names.py looks at the form of those.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from tests import demos
from tests.conventions.test_documentation_names import FENCED, commands_of, fenced
from tests.conventions.tree import ROOT, read
from tests.servers import free_port
from tests.terminal import at_a_terminal

pytestmark = [pytest.mark.clone, pytest.mark.pure]

# Page → the headings whose console blocks are typed here, in their order.
TYPED = {
    "README.md": ("First request", "First webhook"),
    "docs/integrate.md": (
        "A key of your product's own", "Organizations by command", "Is this key good?", "SDK keys from an app",
    ),
    "docs/audit.md": ("Verify",),
}  # fmt: skip
# Page → beginning of a command → the test that runs it, or why none can.
ELSEWHERE = {
    "README.md": {
        "python3 manage.py demo": "tests/test_five_minutes.py",
        "python3 manage.py test": ".ci/run",
    },
    "docs/integrate.md": {
        'curl -sS "$PORTAL/openapi.json"': "tests/clients/conftest.py",
        "openapi-python-client": "tests/clients/test_openapi_python_client.py",
        "npx openapi-typescript": "tests/clients/test_generators.py",
        "openapi-generator-cli": "tests/clients/test_generators.py",
    },
    "docs/run.md": {
        "docker compose": "needs a container engine",
        "install -d -o 10001": "needs a container engine",
        "install -m 0600 /dev/null .env": "needs a container engine",
        "deploy/new-env": "tests/test_one_machine.py",
        ".venv/bin/pip install": "installs packages",
        "systemctl restart": "needs systemd as root",
    },
    "docs/operate.md": {
        "runuser -u portal -- ": "tests/test_restore.py",
        "runuser -u postgres -- ": "tests/test_restore.py",
        "redis-cli -n 0": "tests/test_restore.py",
        "cd /srv/portal": "tests/conventions/test_operators_shell.py",
        "for name in": "tests/conventions/test_operators_shell.py",
        "curl -s -H": "tests/conventions/test_operators_shell.py",
        "redis-cli -u": "asks a Redis of somebody's own",
        ".venv/bin/python manage.py send_test_mail": "tests/test_send_test_mail.py",
        "docker compose": "needs a container engine",
        "systemctl stop": "needs systemd as root",
        "systemctl start": "needs systemd as root",
        "systemctl status": "needs systemd as root",
        "systemctl list-timers": "needs systemd as root",
        "timedatectl": "needs systemd as root",
        "journalctl": "tests/conventions/test_operators_shell.py",
        **dict.fromkeys(("pg_isready", "psql", "df -h", "du -xh", "ps -o"), "tests/incidents/test_documented_looks.py"),
        **dict.fromkeys(("cat /etc/resolv.conf", "getent ahosts"), "tests/incidents/test_documented_looks.py"),
        "curl -sv": "asks a host of a customer",
        "echo | openssl s_client": "asks the portal's own proxy",
        "certbot renew": "needs a certificate that others gave",
        "echo 600 > /run/portal/maintenance": "tests/base/test_maintenance.py",
        "rm /run/portal/maintenance": "tests/base/test_maintenance.py",
    },
    "docs/audit.md": {
        "manage.py verify_audit --org acme --checkpoint": "tests/audit/test_verify_audit.py",
        "manage.py verify_audit --file": "tests/audit/test_verify_file.py",
    },
}
# Page and first line of a program → this module's test, or the one that runs it.
PROGRAMS = {
    ("docs/integrate.md", "# gate.py"): "test_the_gate_lets_good_keys_pass",
    ("docs/integrate.md", "# publish.py"): "test_published_twice_it_is_one_event_and_the_receiver_prints_it_once",
    ("docs/integrate.md", "# receive.py"): "test_published_twice_it_is_one_event_and_the_receiver_prints_it_once",
    ("docs/audit.md", "import hashlib"): "tests/audit/test_verify_file.py",
}
# Page → headings that another test follows from the first command to the last.
# tests/test_install.py, and tests/test_upgrade.py with a million rows.
FOLLOWED = {"docs/run.md": ("On one machine", "PostgreSQL, Redis, several workers", "Upgrade")}
OTHERS = ("CONTRIBUTING.md", "SECURITY.md")


def sections(page: str) -> dict[str, list[str]]:
    """Return the console commands under each heading, one text each, continued lines joined."""
    text = read(page)
    bounds = [(match.start(), match[1]) for match in re.finditer(r"^## (.+)$", text, re.MULTILINE)]
    found: dict[str, list[str]] = {"": []}
    for block in FENCED.finditer(text):
        heading = next((name for start, name in reversed(bounds) if start < block.start()), "")
        if block[1] in ("console", "bash"):
            lines = commands_of(block[2]) if block[1] == "console" else block[2]
            found.setdefault(heading, []).extend(re.sub(r"\\\n *", "", lines).strip().splitlines())
    return found


def part(page: str, heading: str) -> str:
    """Return the commands under a heading of the third level, as somebody copies them into a terminal."""
    text = read(page).partition(f"### {heading}\n")[2].partition("\n### ")[0]
    blocks = text.split("```console\n")[1:]
    assert blocks, heading
    return "\n".join(commands_of(block.partition("```")[0]) for block in blocks)


def excuse(page: str, command: str) -> str | None:
    """Return why a command is not typed here."""
    reasons = ELSEWHERE.get(page, {})
    return next((reason for beginning, reason in reasons.items() if command.startswith(beginning)), None)


def test_every_command_is_typed_or_has_a_reason():
    pages = {name for name, _block in fenced("console", "bash")} - set(OTHERS)
    left = [
        f"{page}: {command}"
        for page in pages
        for heading, commands in sections(page).items()
        for command in commands
        if heading not in (*TYPED.get(page, ()), *FOLLOWED.get(page, ())) and excuse(page, command) is None
    ]
    assert left == []
    for page, headings in TYPED.items():
        assert [heading for heading in headings if not sections(page).get(heading)] == []
    for page, reasons in ELSEWHERE.items():
        typed = [command for commands in sections(page).values() for command in commands]
        assert [each for each in reasons if not any(command.startswith(each) for command in typed)] == []
        assert [each for each in reasons.values() if "/" in each and not (ROOT / each).exists()] == []


def test_every_program_is_run():
    for page, block in fenced("python", "javascript"):
        runners = [runner for (where, first), runner in PROGRAMS.items() if where == page and block.startswith(first)]
        assert len(runners) == 1, f"{page}: {block.splitlines()[0]}"
        assert (ROOT / runners[0]).is_file() if "/" in runners[0] else runners[0] in globals()


def program(page: str, name: str, folder: Path) -> Path:
    """Write a program of a page into a file."""
    code = next(block for where, block in fenced("python") if where == page and block.startswith(f"# {name}"))
    (folder / name).write_text(code, encoding="utf-8")
    return folder / name


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = demos.clone_to(tmp_path_factory.mktemp("docs") / "clone")
    with demos.running(folder, demos.free_ports()) as running:
        yield running


@pytest.fixture
def environment(demo):
    return demos.environment(KEY=demo.key, PORTAL=demo.url, LOG_LEVEL="ERROR", PYTHONUNBUFFERED="1")


def shown_after(page: str, command: str) -> set[str]:
    """Return the names in the answer that a page shows under a command."""
    text = re.sub(r"\\\n *", "", read(page))
    line = re.search(re.escape(f"$ {command}\n") + r"(\{.*)\n", text)
    return set(re.findall(r'"(\w+)": ?', line[1])) if line else set()


@pytest.mark.parametrize("page", ["README.md", "docs/integrate.md", "docs/audit.md"])
def test_the_commands_of_a_page_do_what_it_shows(demo, environment, page):
    port = free_port()
    replaced = {
        "http://localhost:8000": demo.url,
        "127.0.0.1:9000": f"127.0.0.1:{port}",
        "--port 9000": f"--port {port}",
    }
    with at_a_terminal(demo.folder, environment, replaced, seen=demo.key) as shell:
        for heading in TYPED[page]:
            for command in sections(page)[heading]:
                if excuse(page, command) is None:
                    told = shell.type(command)
                    assert shown_after(page, command) <= set(re.findall(r'"(\w+)": ?', told)), f"{command}\n{told}"
                if "listen" in command:
                    assert demos.eventually(lambda: "Listening" in shell.running[-1].output.read_text())
        if page == "README.md":
            received = shell.running[0].output
            assert demos.eventually(lambda: "order.created verified" in received.read_text()), received.read_text()
            assert shell.stop() == [0]


@contextmanager
def serving(path: Path, folder: Path, **variables):
    """Run a program of a page until the block ends; gives its output's file."""
    output = folder / f"{path.name}.txt"
    with output.open("wb") as file:
        process = subprocess.Popen([sys.executable, str(path)], env=demos.environment(**variables), stdout=file,
                                   stderr=subprocess.STDOUT)  # fmt: skip
    try:
        yield output
    finally:
        process.kill()
        process.wait()


def made_key(demo, *words):
    return json.loads(demos.manage(demo.folder, "create_api_key", *words, "--json").stdout)["key"]


def asking(port, **headers):
    """Ask the gate as nginx does."""

    def once():
        with suppress(requests.ConnectionError):
            answer = requests.get(f"http://127.0.0.1:{port}/", headers=headers, timeout=10)
            return answer.status_code, answer.headers["X-Verdict"], answer.headers["X-Subject"]

    return demos.eventually(once)


def test_the_gate_lets_good_keys_pass(demo, tmp_path):
    platform = made_key(
        demo, "--org", "platform", "--type", "platform", "--name", "Gate", "--scopes", "api_keys:verify"
    )
    words = ("--type", "client", "--name", "Widget", "--subject", "client-7", "--scopes", "orders:read")
    client = made_key(demo, "--org", "acme", *words, "--per-minute", "3")
    ports = free_port(), free_port()
    file = program("docs/integrate.md", "gate.py", tmp_path)
    with serving(file, tmp_path, PORTAL=demo.url, GATEWAY_KEY=platform, GATE_PORT=str(ports[0])):
        read_it = {"X-Real-IP": "203.0.113.24", "X-Scopes": "orders:read"}
        assert asking(ports[0], **read_it, Authorization=f"Bearer {client}") == (200, "valid", "client-7")
        assert asking(ports[0], **read_it, Authorization=f"x-api-key {client}") == (200, "valid", "client-7")
        asked = asking(ports[0], **{**read_it, "X-Scopes": "orders:write"}, **{"X-API-Key": client})
        assert asked == (403, "insufficient_scope", "")
        assert asking(ports[0], **read_it, **{"X-API-Key": client}) == (403, "rate_limited", "")
        assert asking(ports[0], **read_it, **{"X-API-Key": "nonsense"}) == (401, "invalid_api_key", "")
        assert asking(ports[0], **read_it) == (401, "missing_api_key", "")
        if shutil.which("nginx"):
            through_nginx(tmp_path, ports[0], made_key(demo, "--org", "acme", *words))
    nowhere = f"http://127.0.0.1:{free_port()}"
    with serving(file, tmp_path, PORTAL=nowhere, GATEWAY_KEY=platform, GATE_PORT=str(ports[1])):
        assert asking(ports[1], **read_it, **{"X-API-Key": client}) == (500, "unavailable", "")


def through_nginx(folder: Path, gate: int, client: str) -> None:
    """Where nginx is at hand: the page's own configuration in front of a service that tells what it got."""

    class Orders(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({name.lower(): value for name, value in self.headers.items()}).encode())

        do_POST = do_GET

        def log_message(self, *_words): ...

    port = free_port()
    with ThreadingHTTPServer(("127.0.0.1", 0), Orders) as orders:
        Thread(target=orders.serve_forever, daemon=True).start()
        config = next(block for name, block in fenced("nginx") if "auth_request" in block)
        for old, new in (("9080", port), ("9100", gate), ("9200", orders.server_port)):
            config = config.replace(str(old), str(new))
        paths = "".join(f"{each}_temp_path {folder}/{each};" for each in
                        ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))  # fmt: skip
        (folder / "nginx.conf").write_text(
            f"daemon off; pid {folder}/nginx.pid; error_log stderr; events {{}}\n"
            f"http {{ access_log off; {paths}\n{config}}}\n"
        )
        nginx = subprocess.Popen(["nginx", "-c", str(folder / "nginx.conf")], stderr=subprocess.PIPE)
        try:
            url = f"http://127.0.0.1:{port}/orders/1"

            def good():
                with suppress(requests.ConnectionError):
                    return requests.get(url, headers={"X-API-Key": client, "X-Organization": "org_false"}, timeout=10)

            told = demos.eventually(good).json()
            assert told["x-organization"].startswith("org_0") and told["x-subject"] == "client-7"
            assert "x-api-key" not in told
            assert requests.post(url, headers={"X-API-Key": client}, timeout=10).status_code == 403
            assert requests.get(url, timeout=10).status_code == 401
        finally:
            nginx.terminate()
            nginx.communicate(timeout=10)
            orders.shutdown()


def test_published_twice_it_is_one_event_and_the_receiver_prints_it_once(demo, tmp_path):
    platform = made_key(demo, "--org", "platform", "--type", "platform", "--name", "Shop", "--scopes", "events:write")
    port = free_port()
    made = demos.manage(demo.folder, "create_endpoint", "--org", "acme", "--url", f"http://127.0.0.1:{port}/hooks",
                        "--events", "order.*", "--json")  # fmt: skip
    publish = program("docs/integrate.md", "publish.py", tmp_path)
    receive = program("docs/integrate.md", "receive.py", tmp_path)
    own = demos.environment(PORTAL=demo.url, PLATFORM_KEY=platform)
    variables = {"PORT": str(port), "WEBHOOK_SECRET": json.loads(made.stdout)["secret"]}
    with serving(receive, tmp_path, **variables) as output:

        def refused():
            with suppress(requests.ConnectionError):
                return requests.post(f"http://127.0.0.1:{port}/hooks", data=b"{}", timeout=5).status_code

        assert demos.eventually(refused) == 400
        told = [
            subprocess.run([sys.executable, str(publish)], env=own, capture_output=True, text=True, check=True).stdout
            for _ in range(2)
        ]
        assert "'repeated': False" in told[0] and "'evt_" in told[0]
        assert told[0].replace("'repeated': False", "'repeated': True") == told[1]
        printed = "order.created {'order_id': 'ORD-10042', 'status': 'placed'}"
        assert demos.eventually(lambda: printed in output.read_text()), output.read_text()
        time.sleep(0.5)
        assert output.read_text().count(printed) == 1

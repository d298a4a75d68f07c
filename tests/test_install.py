"""docs/run.md is followed to the letter on a fresh Debian 12: to a verified webhook, on PostgreSQL, through an upgrade.

Every command comes from the page. The names that it uses as examples lead to loopback, where a mail server of this
test's own is; the program is fetched from this tree. Left out is what the internet would have to answer: the
certificate of a public authority, in whose place the page has another.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509

from tests import debian, demos
from tests.authority import Authority
from tests.conventions.tree import ROOT, read
from tests.terminal import PLACEHOLDERS
from tests.test_docs_are_run import part, sections, shown_after

pytestmark = [pytest.mark.long, pytest.mark.pure, pytest.mark.clone]

PAGE = "docs/run.md"
ONE, MORE = "On one machine", "PostgreSQL, Redis, several workers"
SHOWN = 'curl -fs --retry 20 --retry-connrefused --retry-delay 1 -H "Host: $NAME" http://127.0.0.1:8000/readyz'
STATE = "/run/typed"
NAMES = sorted(set(re.findall(r"^\$ ([A-Z]+)=", read(PAGE), re.MULTILINE)))
NEEDS_A_NETWORK = ("apt-get update", "git clone ", ".venv/bin/pip ")
PUBLIC_ONLY = 'ln -s "/etc/letsencrypt'
EXAMPLES = "127.0.0.1 portal.example.com mail.example.com\n::1 portal.example.com\n"
SOURCE = '[url "/mnt/source"]\n\tinsteadOf = https://git.example.com/integrations-portal.git\n[safe]\n\tdirectory = *\n'
NOTHING_LISTENS = " --server https://127.0.0.1:1/directory"
CA = " --cacert /etc/nginx/portal-tls/fullchain.pem"
# What the machine says of itself to pip and git, such as a cache or an authority of its own network.
OF_THE_MACHINE = ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy",
                  "https_proxy", "no_proxy")  # fmt: skip


class Reader:
    """Somebody who types the page, in one shell, and sees what it prints."""

    def __init__(self, machine: debian.Debian) -> None:
        self.machine, self.seen, self.said = machine, "", {}
        self.listener: subprocess.Popen | None = None
        self.output = machine.folder / "listener.txt"
        self.variables = {name: os.environ[name] for name in OF_THE_MACHINE if name in os.environ}
        if debian.HOST_AUTHORITIES.exists():
            (machine.files / "opt/authorities.pem").write_bytes(debian.HOST_AUTHORITIES.read_bytes())
            self.variables["PIP_CERT"] = "/opt/authorities.pem"
        self.variables["PIP_CACHE_DIR"] = "/var/cache/pip"

    def filled(self, command: str) -> str:
        for mark, form in PLACEHOLDERS.items():
            if mark in command:
                command = command.replace(mark, re.findall(form, self.seen)[-1])
        return command.replace('curl -fsS "https', f'curl -fsS{CA} "https')

    def type(self, command: str) -> str:
        """Type one command; variables and folder stay for the next."""
        if "manage.py listen" in command:
            return self._listen(command)
        kept = f"declare -p {' '.join(NAMES)} 2>/dev/null | grep -F 'declare -- ' || true; echo cd $PWD"
        remember = f"{{ {kept}; }} > {STATE}"
        script = f"[ -f {STATE} ] && . {STATE}; set -eo pipefail\n{self.filled(command)}\n{remember}"
        done = self.run(script, network=command.startswith(NEEDS_A_NETWORK))
        assert done.returncode == 0, f"$ {command}\n{done.stdout[-4000:]}\n{self.journal()}"
        self.seen += done.stdout
        self.said[command] = done.stdout
        return done.stdout

    def run(self, script: str, network: bool) -> subprocess.CompletedProcess:
        return self.machine.run(script, network=network, DEBIAN_FRONTEND="noninteractive", **self.variables)

    def _listen(self, command: str) -> str:
        # As on a terminal, each line is there as soon as it is written.
        words = self.machine.words(f"cd /srv/portal && exec {self.filled(command)}", PYTHONUNBUFFERED="1")
        self.listener = subprocess.Popen(words, stdout=self.output.open("wb"), stderr=subprocess.STDOUT)
        assert demos.eventually(lambda: "Listening" in self.output.read_text(), 60), self.output.read_text()
        return ""

    def journal(self) -> str:
        return self.machine.run("journalctl --no-pager -n 60 -u 'portal-*' 2>&1").stdout

    def follow(self, heading: str) -> None:
        """Type the commands of a part of the page, in their order."""
        for command in sections(PAGE)[heading]:
            if command.startswith("apt-get install"):
                # What a package sets up as it is unpacked (PostgreSQL: a free port) is of this machine's network.
                self.run(f"{command} --download-only", network=True)
                self.machine.keep_packages()
            if command.startswith("certbot "):
                self.asks_for_a_certificate(command)
            elif not command.startswith(PUBLIC_ONLY):
                self.type(command)
            if "/v1/events" in command:
                self.sees_the_event()

    def sees_the_event(self) -> None:
        """The listener tells of it before its reader goes on."""
        told = demos.eventually(lambda: "order.created verified" in self.output.read_text(), 60)
        assert told, self.output.read_text() + self.journal()

    def asks_for_a_certificate(self, command: str) -> None:
        """The command is one that certbot understands: it gets as far as asking an authority."""
        with pytest.raises(AssertionError, match=r"Connection refused|Max retries exceeded"):
            self.type(command + NOTHING_LISTENS)


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """This tree as a repository."""
    folder = demos.clone_to(tmp_path_factory.mktemp("install") / "source")
    git = ["git", "-C", str(folder), "-c", "user.name=Test", "-c", "user.email=test@example.com"]
    subprocess.run([*git, "add", "-A"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "As it stands"], check=True)
    return folder


@pytest.fixture(scope="module")
def reader(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("debian")
    pip = debian.CACHE / "pip"
    pip.mkdir(parents=True, exist_ok=True)
    with debian.running(folder, "bookworm", {source: "/mnt/source", pip: "/var/cache/pip"}) as machine:
        machine.bring_packages()
        with (machine.files / "etc/hosts").open("a") as hosts:
            hosts.write(EXAMPLES)
        (machine.files / "etc/gitconfig").write_text(SOURCE)
        reader = Reader(machine)
        mail = mail_server(machine, reader)
        try:
            yield reader
        finally:
            for process in (mail, reader.listener):
                if process is not None:
                    process.kill()
                    process.wait()


def mail_server(machine: debian.Debian, reader: Reader) -> subprocess.Popen:
    """Start a mail server there, whose authority the machine will trust as soon as it trusts any."""
    authority = Authority(machine.folder)
    leaf = authority.leaf(x509.DNSName("mail.example.com"))
    authority.context(leaf, authority.intermediate)
    (certificate,) = machine.folder.glob("Test-[0-9]*.pem")
    trusted = machine.files / "usr/local/share/ca-certificates"
    trusted.mkdir(parents=True, exist_ok=True)
    (trusted / "test.crt").write_bytes(authority.ca_file.read_bytes())
    words = [sys.executable, "-m", "tests.mail_server", "587", str(certificate), str(machine.folder / "mail.txt")]
    return subprocess.Popen(["nsenter", f"--target={machine.pid}", "--net", *words], cwd=ROOT)


def answer(reader: Reader, url: str, *words: str) -> tuple[int, str]:
    """Ask through nginx; gives the status and the body."""
    script = f"curl -sS{CA} -w '\\n%{{http_code}}' {' '.join(words)} {url}"
    body, _, status = reader.machine.say(script).rpartition("\n")
    return int(status), body


def test_one_machine_from_nothing_to_a_verified_webhook(reader):
    machine = reader.machine
    assert not machine.run("command -v nginx git pip curl").stdout, "this Debian is not fresh"
    reader.follow(ONE)

    assert json.loads(reader.said[SHOWN]) == {"status": "ok", "database": "ok", "redis": "not configured"}
    assert {"status", "database", "redis"} == shown_after(PAGE, SHOWN)
    check_units(machine)
    check_what_the_night_does(machine, "SQLite format 3")
    check_pages(reader)
    check_logs(reader)
    assert "Test mail of the integrations portal" in (machine.folder / "mail.txt").read_text()
    told = reader.machine.say("find /srv/portal/var /srv/portal/.env -path '*/static/*' -prune -o -perm /007 -print")
    assert told == "", "others may read what the portal wrote"


def check_units(machine: debian.Debian) -> None:
    names = machine.say("cd /etc/systemd/system && ls -d portal-*").split()
    assert len(names) == 6
    told = machine.say("systemd-analyze verify /etc/systemd/system/portal-*.* 2>&1")
    assert "portal" not in told, told
    for unit in ("portal-web", "portal-worker", "portal-backup.timer", "portal-verify.timer", "nginx"):
        assert machine.say(f"systemctl is-active {unit}; systemctl is-enabled {unit}") == "active\nenabled"
    for unit in ("portal-web", "portal-worker"):
        pid = machine.say(f"systemctl show -P MainPID {unit}")
        assert machine.say(f"ps -o user= -p {pid}") == "portal"
    assert machine.say("systemctl list-units --failed --no-legend 'portal-*'") == ""
    # A process of granian's that is killed comes back, and the unit did not have to start anew.
    pid = machine.say("systemctl show -P MainPID portal-web")
    machine.say(f"pkill -KILL -P {pid} -f multiprocessing.spawn || pkill -KILL -P {pid}")
    ready = "curl -fsS -H 'Host: portal.example.com' http://127.0.0.1:8000/readyz"
    assert demos.eventually(lambda: machine.run(ready).returncode == 0, 60)
    assert machine.say("systemctl show -P MainPID portal-web") == pid


def check_what_the_night_does(machine: debian.Debian, beginning: str) -> None:
    newest = machine.say("ls -td /var/backups/portal/*").split()[0]
    assert machine.say(f"stat -c '%a %U' {newest}") == "600 portal"
    assert machine.say(f"head -c {len(beginning)} {newest}") == beginning
    for unit in ("portal-backup", "portal-verify"):
        assert machine.say(f"systemctl show -P Result -P ExecMainStatus {unit}").split() == ["success", "0"]


def check_pages(reader: Reader) -> None:
    assert answer(reader, "https://portal.example.com/account/login/", "-L")[0] == 200
    assert answer(reader, "http://portal.example.com/account/login/")[0] == 301
    status, body = answer(reader, "http://portal.example.com/v1/me")
    assert (status, json.loads(body)["code"]) == (403, "https_required")
    me = next(said for command, said in reader.said.items() if "/v1/me" in command)
    assert json.loads(me)["organization"]["slug"] == "acme"
    links = re.findall(r"https://portal\.example\.com/account/password/reset/key/\S+", reader.seen)
    assert len(links) == 2
    for link in links:
        assert answer(reader, link, "-L", "-c", "/tmp/jar")[0] == 200
    logged = reader.machine.say("cat /var/log/nginx/portal.log")
    assert "/v1/me" in logged and "/password/reset/" not in logged


def check_logs(reader: Reader) -> None:
    machine = reader.machine
    assert machine.say("journalctl --no-pager -o cat -u portal-worker | grep -c .") != "0"
    assert "SystemMaxUse=1G" in machine.say("systemd-analyze cat-config systemd/journald.conf")
    assert machine.say("systemctl is-active systemd-journald") == "active"
    told = machine.say("logrotate --debug /etc/logrotate.conf 2>&1")
    assert "/var/log/nginx/portal.log" in told and "error:" not in told


def test_then_postgresql_redis_and_several_workers(reader):
    machine = reader.machine
    reader.follow(MORE)
    assert json.loads(reader.said[SHOWN]) == {"status": "ok", "database": "ok", "redis": "ok"}
    for command in sections(PAGE)[ONE]:
        if "create_op" in command or "create_org" in command or "systemctl start portal-backup" in command:
            reader.type(command)
    check_what_the_night_does(machine, "PGDMP")
    assert machine.say("systemctl is-active portal-worker portal-worker-2").split() == ["active"] * 2
    pid = machine.say("systemctl show -P MainPID portal-web")
    assert machine.say(f"tr '\\0' ' ' < /proc/{pid}/cmdline").count("--workers 4 ") == 1
    assert answer(reader, "https://portal.example.com/account/login/")[0] == 200


LOOK = f"curl -s{CA} --max-time 20 -o /dev/null -w '%{{http_code}}\\n' https://portal.example.com/account/login/"


def test_then_an_upgrade_without_a_stop(reader, source):
    machine = reader.machine
    type_all(reader, "Without a stop: once")
    git = ["git", "-C", str(source), "-c", "user.name=Test", "-c", "user.email=test@example.com"]
    subprocess.run([*git, "commit", "--quiet", "--allow-empty", "-m", "The next version"], check=True)
    subprocess.run([*git, "tag", "v1.2.0"], check=True)
    words = machine.words(f"while sleep 0.2; do {LOOK}; done")
    with (machine.folder / "seen.txt").open("wb") as seen:
        people = subprocess.Popen(words, stdout=seen, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            type_all(reader, "Without a stop: each time")
        finally:
            os.killpg(people.pid, signal.SIGKILL)
            people.wait()
    statuses = (machine.folder / "seen.txt").read_text().split()
    assert len(statuses) > 100 and set(statuses) == {"200"}, [each for each in statuses if each != "200"]
    for name in ("portal", "portal-2"):
        assert machine.say(f"git -C /srv/{name} describe --tags") == "v1.2.0"
        for kind in ("web", "worker"):
            unit = name.replace("portal", f"portal-{kind}")
            pid = machine.say(f"systemctl show -P MainPID {unit}")
            assert machine.say(f"readlink /proc/{pid}/cwd; ps -o user= -p {pid}") == f"/srv/{name}\nportal"
    type_all(reader, "With a short stop")


def type_all(reader: Reader, heading: str) -> None:
    """Type the commands of a part of a part."""
    for command in part(PAGE, heading).splitlines():
        reader.type(command)


def test_the_page_is_followed_whole():
    assert {ONE, MORE, "Containers"} <= set(sections(PAGE))
    assert SHOWN in sections(PAGE)[ONE] and SHOWN in sections(PAGE)[MORE]
    assert [each for each in sections(PAGE)[ONE] if each.startswith(PUBLIC_ONLY)] and "certbot" in read(PAGE)

"""Twelve incidents. Each: quiet before, then the fault, then the figure, the alert and the page."""

import json
import os
import shutil
import signal
import socketserver
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import certifi
import pytest
from cryptography import x509

from benchmarks.clusters import Cluster, cluster, unavailable_reason
from tests.authority import Authority
from tests.incidents.stage import Stage, make_endpoint, publish, staged, with_files
from tests.name_server import NameServer
from tests.receivers import Receiver
from tests.servers import HOST, Load, Portal, redis_server

pytestmark = pytest.mark.long
HOUR = 3600.0


@pytest.fixture
def postgresql() -> Iterator[Cluster]:
    """A server of the test's own, which it stops and starts."""
    if reason := unavailable_reason():
        pytest.skip(reason)
    with cluster() as made:
        yield made


def invite(stage: Stage, key: str, name: str) -> int:
    """Change something: it leaves an audit entry and a mail."""
    return stage.portal.post("/v1/invitations", key, {"email": f"{name}@acme.example", "role": "viewer"}).status


def test_redis_is_gone(tmp_path: Path):
    with redis_server(tmp_path) as redis, staged(tmp_path, REDIS_URL=redis.url) as stage:
        key = stage.portal.make_key()["key"]
        stage.portal.get("/v1/me", key)
        stage.check_quiet("PortalRedisAway")
        redis.stop()
        assert stage.portal.get("/v1/me", key).status == 200
        stage.wait_for("PortalRedisAway")
        assert stage.value("portal_redis_unavailable_total") >= 1
        assert json.loads(stage.portal.get("/readyz").body)["redis"] == "down"
        redis.start()
        time.sleep(2)
        stage.scrape()
        seen = stage.value("portal_redis_unavailable_total")
        assert stage.portal.get("/v1/me", key).status == 200
        stage.scrape()
        assert stage.value("portal_redis_unavailable_total") == seen


def test_postgresql_is_gone(tmp_path: Path, postgresql: Cluster):
    with staged(tmp_path, postgresql.url) as stage:
        key = stage.portal.make_key()["key"]
        stage.worker()
        stage.check_quiet("PortalDatabaseDown", "PortalAnswersFail")
        postgresql.control("stop", "immediate")
        try:
            assert [stage.portal.get("/v1/me", key).status for _ in range(20)] == [503] * 20
            with Load(stage.portal, "/v1/me", key, threads=1):
                stage.wait_for("PortalDatabaseDown")
                assert stage.value("portal_database_up") == 0
                stage.wait_for("PortalAnswersFail")
            assert stage.value("portal_http_requests_total", route="/v1/me", status="503") > 20
        finally:
            postgresql.control("start")
        deadline = time.monotonic() + 30
        while stage.portal.get("/v1/me", key).status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        stage.scrape()
        assert stage.value("portal_database_up") == 1 and stage.workers[0].process.poll() is None


def test_a_clock_is_off_by_an_hour(tmp_path: Path, postgresql: Cluster):
    with staged(tmp_path, postgresql.url) as stage:
        stage.worker()
        stage.check_quiet("PortalClockOff")
        child = stage.worker("faketime", "-f", "+1h", FAKETIME_DONT_FAKE_MONOTONIC="1")
        stage.wait_for("PortalClockOff", 20)
        assert stage.value("portal_clock_offset_seconds") == pytest.approx(HOUR, abs=5)
        assert "clock is 3600" in child.log.read_text() or "clock is 3599" in child.log.read_text()


def test_a_worker_is_frozen(tmp_path: Path):
    with staged(tmp_path) as stage:
        worker = stage.worker()
        time.sleep(6)
        stage.check_quiet("PortalWorkersSilent", "PortalFewWorkers")
        worker.process.send_signal(signal.SIGSTOP)
        stage.wait_for("PortalWorkersSilent", 50)
        assert stage.value("portal_worker_heartbeat_age_seconds") > 30
        stage.wait_for("PortalFewWorkers")
        worker.process.send_signal(signal.SIGCONT)
        time.sleep(6)
        stage.check_quiet("PortalWorkersSilent", "PortalFewWorkers")


def test_the_queue_has_a_hundred_thousand(tmp_path: Path):
    with Receiver() as receiver, staged(tmp_path, RATE_LIMIT_DEFAULTS="100000/minute") as stage:
        key = stage.portal.make_key("webhooks:write", "events:write", type="internal")["key"]
        for _ in range(50):
            make_endpoint(stage, key, receiver.url)
        stage.check_quiet("PortalQueueGrows", "PortalDeliveriesWait")
        for _ in range(4):
            publish(stage, key, 500)
            stage.scrape()
        assert stage.value("portal_webhook_deliveries", status="due") == 100_000
        stage.wait_for("PortalQueueGrows")
        stage.wait_for("PortalDeliveriesWait", 70)
        stage.worker()
        deadline = time.monotonic() + 60
        while stage.value("portal_webhook_deliveries", status="due") > 98_000:
            assert time.monotonic() < deadline
            time.sleep(1)
            stage.scrape()


def test_a_key_has_leaked(tmp_path: Path):
    with staged(tmp_path) as stage:
        key = stage.portal.make_key()["key"]
        stage.check_quiet("PortalKeyLeaked")
        answer = stage.portal.post("/v1/leaked-keys", "", {"key": key, "where": "https://gist.example/1"})
        assert answer.status == 202
        stage.wait_for("PortalKeyLeaked")
        assert stage.value("portal_leaked_keys_total") == 1
        assert stage.portal.post("/v1/users", key, {"email": "x@acme.example"}).status == 403


def test_sealing_has_stopped(tmp_path: Path):
    with staged(tmp_path) as stage:
        stage.worker()
        key = stage.portal.make_key("users:write")["key"]
        time.sleep(4)
        stage.check_quiet("PortalSealingStands", "PortalJobsFail")
        assert stage.value("portal_audit_unsealed_entries") == 0
        with sqlite3.connect(tmp_path / "portal.sqlite3") as database:
            database.execute("ALTER TABLE audit_seal RENAME TO not_there")
        assert invite(stage, key, "eve") == 201
        time.sleep(3)
        with stage.later(600) as port:
            stage.scrape(port, later=600)
            stage.scrape(port, later=600)
            assert stage.value("portal_audit_unsealed_entries") >= 1
            assert stage.value("portal_audit_oldest_unsealed_age_seconds") > 500
            stage.wait_for("PortalSealingStands")
        assert "sweep audit.seal_entries failed" in stage.workers[0].log.read_text()
        with sqlite3.connect(tmp_path / "portal.sqlite3") as database:
            database.execute("ALTER TABLE not_there RENAME TO audit_seal")
        time.sleep(4)
        stage.check_quiet("PortalSealingStands")
        assert stage.value("portal_audit_unsealed_entries") == 0


def test_the_backup_fails(tmp_path: Path):
    with staged(tmp_path) as stage:
        stage.portal.manage("backup", str(tmp_path / "first.backup"))
        stage.check_quiet("PortalBackupOld")
        seen = stage.value("portal_backup_last_success_timestamp_seconds")
        assert time.time() - seen < 120
        with pytest.raises(AssertionError, match="no such folder"):
            stage.portal.manage("backup", str(tmp_path / "no such folder" / "second.backup"))
        with stage.later(37 * HOUR) as port:
            stage.scrape(port, later=37 * HOUR)
            assert stage.value("portal_backup_last_success_timestamp_seconds") == seen
            stage.wait_for("PortalBackupOld")


class SlowMail(socketserver.StreamRequestHandler):
    """A mail server that lets everybody wait before it greets."""

    seconds = 12.0

    def handle(self) -> None:
        with suppress(OSError):
            time.sleep(self.seconds)
            self.wfile.write(b"220 mail.example\r\n")


def test_the_mail_server_is_slow(tmp_path: Path):
    server = socketserver.ThreadingTCPServer((HOST, 0), SlowMail)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with staged(tmp_path, EMAIL_URL=f"smtp://{HOST}:{server.server_address[1]}") as stage:
        key = stage.portal.make_key("users:write")["key"]
        stage.check_quiet("PortalMailIsOld", "PortalJobsFail", "PortalJobSlow")
        for number in range(3):
            assert invite(stage, key, f"eve{number}") == 201
        stage.worker()
        time.sleep(25)
        stage.scrape()
        assert stage.value("portal_mail_waiting") >= 3
        assert stage.value("portal_job_duration_seconds", job="orgs.send_mail") > 9
        # Whatever waits for the mail server holds up nothing else.
        assert stage.value("portal_workers") == 1 and stage.value("portal_webhook_oldest_due_age_seconds") == 0
        assert stage.value("portal_job_runs_total", job="orgs.send_mail", outcome="failed") >= 1
        with stage.later(2 * HOUR) as port:
            stage.scrape(port, later=2 * HOUR)
            stage.wait_for("PortalMailIsOld")
    server.shutdown()


def trusting(authority: Authority) -> Path:
    """Return a file of authorities with one more."""
    file = authority.folder / "bundle.pem"
    file.write_bytes(Path(certifi.where()).read_bytes() + authority.ca_file.read_bytes())
    return file


def test_the_resolver_is_dead(tmp_path: Path):
    authority = Authority(tmp_path)
    context = authority.context(authority.leaf(x509.DNSName("*.example.com")), authority.intermediate)
    with NameServer() as names, Receiver(tls=context) as receiver, staged(tmp_path) as stage:
        hosts = [f"hooks{number}.example.com" for number in range(5)]
        names.records = {host: [HOST] for host in hosts}
        file = tmp_path / "resolv.conf"
        file.write_text(f"nameserver {names.server}\n")
        key = stage.portal.make_key("webhooks:write", "events:write", type="internal")["key"]
        for host in hosts:
            make_endpoint(stage, key, f"https://{host}:{receiver.port}/")
        stage.worker(*with_files({"/etc/resolv.conf": file, certifi.where(): trusting(authority)}))
        publish(stage, key, 2)
        deadline = time.monotonic() + 20
        while len(receiver.requests) < 10:
            assert time.monotonic() < deadline, stage.workers[0].log.read_text()
            time.sleep(0.2)
        time.sleep(6)
        stage.check_quiet("PortalNoNetwork", "PortalAttemptsFail")
        names.stalled = set(hosts)
        # A minute in which nothing answers must pass before a worker blames its own network.
        deadline = time.monotonic() + 120
        while not stage.fires("PortalNoNetwork"):
            assert time.monotonic() < deadline
            publish(stage, key)
            time.sleep(6)
            stage.scrape()
        stage.wait_for("PortalNoNetwork")
        assert stage.value("portal_webhook_uncounted_attempts_total", reason="no_network") > 0
        stage.wait_for("PortalAttemptsFail")
        assert "no network" in stage.workers[0].log.read_text()


def test_the_certificate_of_a_receiver_has_expired(tmp_path: Path):
    authority = Authority(tmp_path)
    context = authority.context(authority.leaf(end=-1), authority.intermediate)
    with Receiver(tls=context) as receiver, staged(tmp_path) as stage:
        scopes = ("webhooks:write", "events:write", "events:read")
        key = stage.portal.make_key(*scopes, type="internal")["key"]
        make_endpoint(stage, key, receiver.url)
        stage.worker(*with_files({certifi.where(): trusting(authority)}))
        time.sleep(6)
        stage.check_quiet("PortalAttemptsFail")
        publish(stage, key, 4)
        stage.wait_for("PortalAttemptsFail", 30)
        assert stage.value("portal_webhook_attempts_total", outcome="tls_failed") >= 4
        (first, *_others) = json.loads(stage.portal.get("/v1/deliveries", key).body)
        seen = json.loads(stage.portal.get(f"/v1/deliveries/{first['id']}", key).body)
        assert "certificate has expired. Renew it" in seen["attempts"][0]["hint"]


def test_the_disk_is_full(tmp_path: Path):
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(small)]).returncode:
        pytest.skip("needs root and mount")
    try:
        Portal(tmp_path).make_database()
        shutil.copy(tmp_path / "portal.sqlite3", small)
        with staged(tmp_path, DATABASE_URL=f"sqlite:///{small}/portal.sqlite3") as stage:
            key = stage.portal.make_key("users:write", "users:read")["key"]
            stage.portal.get("/v1/me", key)
            stage.check_quiet("PortalCallsLost", "PortalAnswersFail")
            fill(small / "filler")
            statuses = [invite(stage, key, f"eve{number}") for number in range(4)]
            assert statuses == [503] * 4
            assert [stage.portal.get("/v1/me", key).status for _ in range(4)] == [200] * 4
            stage.wait_for("PortalCallsLost")
            assert stage.value("portal_api_calls_lost_total") >= 4
            (small / "filler").unlink()
            assert invite(stage, key, "eve") == 201
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def fill(file: Path) -> None:
    """Leave nothing of a file system."""
    with file.open("wb", buffering=0) as output, suppress(OSError):
        while True:
            output.write(b"x" * 4096)

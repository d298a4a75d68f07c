"""Measure how fast audit entries are sealed, and how fast the chain is verified in the database and in an export.

    .venv/bin/python benchmarks/verify_audit.py [--changes N] [--database URL] [--least N]

The program stores audit entries of one organization in a temporary SQLite file, or in a schema of a PostgreSQL scratch
database that is created and dropped, seals them as a worker does, and verifies them. The output is rows per second; the
exit code is 1 if verifying in the database is slower than --least.
"""

import argparse
import importlib
import os
import secrets
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import django

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.processes import derive_key, parse_options
from benchmarks.usage_pages import SCHEMA, scratch_schema

CHANGES = {"name": ["Production", "Production server"], "scopes": [["users:read"], ["users:read", "users:write"]]}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--changes", type=int, default=200_000)
    parser.add_argument("--least", type=int, default=50_000, help="rows a second that are to be verified")
    parser.add_argument("--database", default="", metavar="URL")
    return parse_options(parser, changes=3_000, least=1)


def set_up(folder: str, url: str) -> None:
    """Set Django up as in production, with a temporary database and without Redis."""
    for name in ("REDIS_URL", "CELERY_BROKER_URL"):
        os.environ.pop(name, None)
    joint = "&" if "?" in url else "?"
    own = f"{url}{joint}options=-c%20search_path%3D{SCHEMA}" if url else f"sqlite:///{folder}/audit.sqlite3"
    values = {
        "DEBUG": "false", "SECRET_KEY": secrets.token_urlsafe(50), "ENCRYPTION_KEYS": "b:" + derive_key(b"e"),
        "KEY_PEPPERS": "b:" + derive_key(b"p"), "AUDIT_SIGNING_KEY": derive_key(b"a"),
        "DATABASE_URL": own, "LOG_LEVEL": "WARNING",
        "PUBLIC_URL": "http://127.0.0.1:8000", "ALLOWED_HOSTS": "127.0.0.1,testserver",
        "DJANGO_SETTINGS_MODULE": "integrations_portal.settings",
    }  # fmt: skip
    os.environ.update(values)
    django.setup()
    importlib.import_module("django.core.management").call_command("migrate", verbosity=0)


def load_module(name: str) -> Any:
    """Import a module of the portal after Django's set-up."""
    return importlib.import_module(name)


def fill(organization: Any, count: int) -> None:
    """Store audit entries, many in one transaction."""
    models = load_module("apps.audit.models")
    for start in range(0, count, 5000):
        models.AuditEntry.objects.bulk_create(
            [
                models.AuditEntry(
                    organization=organization, actor_kind="user", actor_id="user_0123456789abcdefghijkl",
                    actor_label="Ada Lovelace", action="api_key.updated", target_kind="api_key",
                    target_id=f"key_{number:022d}", target_label="Production server", changes=CHANGES,
                    address="203.0.113.24", user_agent="Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0",
                    request_id=f"request-{number:08d}",
                )
                for number in range(start, min(start + 5000, count))
            ],
            batch_size=500,
        )  # fmt: skip


def timed(what: str, count: int, work: Any) -> tuple[Any, float]:
    """Call ``work``, and print the rows per second of elapsed time and of this process's CPU time."""
    began, worked = time.perf_counter(), time.process_time()
    result = work()
    rate, own = count / (time.perf_counter() - began), count / (time.process_time() - worked)
    print(f"{what:<26}{rate:>12,.0f} rows/s{own:>12,.0f} rows/s of processor time")
    return result, rate


def export(organization: Any) -> bytes:
    """Return the entries as an export file, without the API."""
    shared = load_module("tests.audit.chains")
    models, writing, chain = (
        load_module("apps.audit.models"),
        load_module("apps.audit.timeline.serialization"),
        load_module("apps.audit.seal.chain"),
    )
    seals = models.Seal.objects.filter(organization=organization).select_related("entry").order_by("seq")
    rows = (writing.write_row(shared.row_of(seal)) for seal in seals.iterator(2000))
    return "".join(chain.encode_json(row) + "\n" for row in rows).encode()


def main() -> int:
    asked = arguments()
    with tempfile.TemporaryDirectory() as folder, scratch_schema(asked.database):
        set_up(folder, asked.database)
        sealing, check, files = (
            load_module(f"apps.audit.seal.{name}") for name in ("sealer", "chain_check", "export_check")
        )
        organization = load_module("apps.orgs.models").Organization.objects.create(name="Acme", slug="acme")
        timed("written", asked.changes, lambda: fill(organization, asked.changes))
        sealed, _rate = timed("sealed", asked.changes, lambda: sealing.seal_due(3600))
        report, rate = timed("verified in the database", asked.changes, lambda: check.check(organization.pk))
        lines = export(organization).splitlines()
        exported, _rate = timed(
            "verified of an export", asked.changes, lambda: files.check_lines(lines, lambda seq: None, {})
        )
        load_module("django.db").connections.close_all()
    right = sealed == report.count == exported.count == asked.changes and not (report.finding or exported.finding)
    print(f"all {asked.changes:,} sealed and verified: {right}")
    return 0 if right and rate >= asked.least else 1


if __name__ == "__main__":
    sys.exit(main())

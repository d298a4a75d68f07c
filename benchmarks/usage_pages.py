"""Measure the usage pages and the usage API with millions of counted requests.

    .venv/bin/python benchmarks/usage_pages.py [--calls N] [--keys N] [--days N] [--runs N] [--database URL]

The rollups are inserted directly, in a temporary SQLite file or in a schema of a PostgreSQL scratch database that is
created and dropped. The requests run in this process, through the whole stack except the network. The output is the
median and the 95th percentile in ms; the exit code is 1 if a 95th percentile is above --most.
"""

import argparse
import contextlib
import importlib
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django
import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.processes import derive_key, parse_options

SCHEMA = "benchmark_usage"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=5_000_000, help="counted in the rollups, at most 50,000,000")
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--most", type=float, default=150, help="ms at the 95th percentile")
    parser.add_argument("--database", default="", metavar="URL")
    return parse_options(parser, calls=20_000, keys=5, days=10, runs=2, most=5_000.0)


@contextlib.contextmanager
def scratch_schema(url: str) -> Iterator[None]:
    """Create a schema if a PostgreSQL database is given, and drop it at the end."""
    if not url:
        yield
        return
    with psycopg.connect(url, autocommit=True) as database:
        database.execute(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
        database.execute(f"CREATE SCHEMA {SCHEMA}")
        try:
            yield
        finally:
            database.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


def set_up(folder: str, url: str) -> None:
    """Set Django up as in production, with a temporary database and without Redis."""
    for name in ("REDIS_URL", "CELERY_BROKER_URL"):
        os.environ.pop(name, None)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="integrations_portal.settings",
        DEBUG="false",
        SECRET_KEY=secrets.token_urlsafe(50),
        ENCRYPTION_KEYS="k1:" + derive_key(b"e"),
        KEY_PEPPERS="p1:" + derive_key(b"p"),
        AUDIT_SIGNING_KEY=derive_key(b"a"),
        LOG_LEVEL="ERROR",
        DATABASE_URL=url or f"sqlite:///{folder}/usage.sqlite3",
        PGOPTIONS=f"-c search_path={SCHEMA}",
        PUBLIC_URL="http://127.0.0.1:8000",
        ALLOWED_HOSTS="127.0.0.1,testserver",
        EMAIL_URL="memorymail://",
    )
    django.setup()


def main() -> None:
    """Run the benchmark and exit with its code."""
    options = arguments()
    if not (1 <= options.keys <= 1000 and 1 <= options.days <= 400 and 1 <= options.calls <= 50_000_000):
        raise SystemExit("Keep to at most 1,000 keys, 400 days and 50,000,000 calls.")
    if options.keys * options.days > 10_000:
        raise SystemExit("keys × days may be at most 10,000: there would be too many rows.")
    with tempfile.TemporaryDirectory() as folder, scratch_schema(options.database):
        set_up(folder, options.database)
        cases = importlib.import_module("benchmarks.usage_cases")
        try:
            done = cases.run(options)
        finally:
            cases.shut_down()
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()

"""How long usage takes to read, through the API and as a page, where millions of calls were counted.

    .venv/bin/python benchmarks/usage_pages.py [--calls N] [--keys N] [--days N] [--runs N] [--database URL]

Fills the rollups directly, in a temporary SQLite file or in a schema of a PostgreSQL scratch database that it makes and
drops, and asks in this process, the whole stack included but the network. Prints medians and 95th percentiles in ms;
exit code 1 where one of the latter is above --most.
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

from benchmarks.processes import parse_options, secret_bytes

SCHEMA = "benchmark_usage"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=5_000_000, help="counted in the rollups, at most 50,000,000")
    parser.add_argument("--keys", type=int, default=20)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--most", type=float, default=150, help="ms at the 95th percentile")
    parser.add_argument("--database", default="", metavar="URL")
    return parse_options(parser, calls=20_000, keys=5, days=10, runs=2, most=5_000.0)


@contextlib.contextmanager
def scratch(url: str) -> Iterator[None]:
    """Make a schema where a PostgreSQL database is named, and drop it at the end."""
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
    """Set Django up as in production, on a database of this run's own and without Redis."""
    for name in ("REDIS_URL", "CELERY_BROKER_URL"):
        os.environ.pop(name, None)
    os.environ.update(
        DJANGO_SETTINGS_MODULE="integrations_portal.settings",
        DEBUG="false",
        SECRET_KEY=secrets.token_urlsafe(50),
        ENCRYPTION_KEYS="k1:" + secret_bytes(b"e"),
        KEY_PEPPERS="p1:" + secret_bytes(b"p"),
        AUDIT_SIGNING_KEY=secret_bytes(b"a"),
        LOG_LEVEL="ERROR",
        DATABASE_URL=url or f"sqlite:///{folder}/usage.sqlite3",
        PGOPTIONS=f"-c search_path={SCHEMA}",
        PUBLIC_URL="http://127.0.0.1:8000",
        ALLOWED_HOSTS="127.0.0.1,testserver",
        EMAIL_URL="memorymail://",
    )
    django.setup()


def main() -> None:
    """Run the benchmark and leave nothing behind."""
    options = arguments()
    if not (1 <= options.keys <= 1000 and 1 <= options.days <= 400 and 1 <= options.calls <= 50_000_000):
        raise SystemExit("Keep to at most 1,000 keys, 400 days and 50,000,000 calls.")
    if options.keys * options.days > 10_000:
        raise SystemExit("keys × days may be at most 10,000: the figures would not fit here.")
    with tempfile.TemporaryDirectory() as folder, scratch(options.database):
        set_up(folder, options.database)
        rounds = importlib.import_module("benchmarks.usage_rounds")
        try:
            done = rounds.run(options)
        finally:
            rounds.end()
    sys.exit(0 if done else 1)


if __name__ == "__main__":
    main()

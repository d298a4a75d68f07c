"""The environment that tests run in, set before Django reads its settings (``-p tests.environment``).

A SQLite file of this run alone and no Redis, unless TEST_DATABASE_URL and TEST_REDIS_URL say otherwise; never
anything that the caller's own environment names.
"""

import atexit
import base64
import hashlib
import os
import shutil
import signal
import tempfile

# Children of the tests start with default signals, also where this run was started in the background of a script: those
# inherit SIGINT as ignored, and would never end at a test's Ctrl-C. Every process of a run comes by here.
for number, default in (
    (signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, signal.SIG_DFL), (signal.SIGHUP, signal.SIG_DFL)
):  # fmt: skip
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, default)

for name in list(os.environ):
    if name.split("_FILE")[0] in (
        "DATABASE_URL", "DATABASE_PREPARE", "BACKUP_DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL",
        "SECRET_KEY", "TRUSTED_PROXIES",
        "WEBHOOK_ALLOW_CIDRS", "WEBHOOK_RETRY_SCHEDULE", "WEBHOOK_TIMEOUT", "WEBHOOK_HOST_IN_FLIGHT",
        "WEBHOOK_ENDPOINTS", "RATE_LIMIT_DEFAULTS",
        "AUTH_FAILURES_PER_MINUTE", "API_CALL_LOG",
        "ENCRYPTION_KEYS", "KEY_PEPPERS", "AUDIT_SIGNING_KEY", "PUBLIC_URL", "ALLOWED_HOSTS", "EMAIL_URL", "DEBUG",
        "METRICS_TOKEN", "LOG_LEVEL", "OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET", "OIDC_NAME",
        "RETENTION_DAYS_API_CALLS", "RETENTION_DAYS_EVENTS", "RETENTION_DAYS_ATTEMPTS", "RETENTION_DAYS_DELIVERIES",
        "RETENTION_DAYS_AUDIT", "RETENTION_DAYS_EXPORTS", "RETENTION_DAYS_CLOSED_ORGANIZATION",
        "RETENTION_DAYS_NOTICES", "MAINTENANCE_FLAG", "SUPPORT_CONTACT", "HSTS_SUBDOMAINS", "HSTS_PRELOAD",
    ):  # fmt: skip
        del os.environ[name]

# Keys of the tests: 32 bytes as from a generator, the same in each process.
KEYS = {word: hashlib.sha256(word.encode()).digest() for word in ("encryption", "pepper", "audit")}
ENCODED = {word: base64.b64encode(key).decode() for word, key in KEYS.items()}
# A folder of its own for each process: runs beside each other, and xdist's workers, do not meet.
FOLDER = tempfile.mkdtemp(prefix="portal-tests-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
# What is the same for all processes of one run is made once: xdist's workers inherit the name.
SHARED = os.environ.setdefault("PORTAL_TESTS_SHARED", FOLDER)

os.environ.update(
    {
        "DJANGO_SETTINGS_MODULE": "integrations_portal.settings",
        "DEBUG": "false",
        "SECRET_KEY": "a-secret-key-of-the-tests-that-is-long-enough",
        "ENCRYPTION_KEYS": f"t1:{ENCODED['encryption']}",
        "KEY_PEPPERS": f"t1:{ENCODED['pepper']}",
        "AUDIT_SIGNING_KEY": ENCODED["audit"],
        "DATABASE_URL": os.environ.get("TEST_DATABASE_URL", f"sqlite:///{FOLDER}/tests.sqlite3"),
        "REDIS_URL": os.environ.get("TEST_REDIS_URL", ""),
        "PUBLIC_URL": "http://127.0.0.1:8000",
        "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
        "EMAIL_URL": "memorymail://",
        "METRICS_TOKEN": "metrics-token-of-the-tests",
        "LOG_LEVEL": "WARNING",
    }
)

# python -m tests.environment COMMAND …: a command of manage.py where there are no settings.
if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line()

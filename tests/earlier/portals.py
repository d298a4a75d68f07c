"""Where the earlier code comes from, and what a portal of either code is told, keeps and mails."""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.earlier.people import PUBLIC
from tests.receivers import Received
from tests.servers import ROOT, Child, Portal, start

# Before packages and words changed.
COMMIT = "c74e5ef"
MIGRATE_SECONDS = 600.0  # of a machine that is busy
# What both must read alike: a digest of everything that is encrypted, and the checkpoints of the audit log.
READ = """
import hashlib, json
from django.apps import apps
from apps.base.crypto import EncryptedTextField
secrets = {}
for model in apps.get_models():
    for field in model._meta.local_fields:
        if isinstance(field, EncryptedTextField):
            for row in model._base_manager.all():
                text = getattr(row, field.attname)
                name = f"{model._meta.db_table}.{field.column} {row.pk}"
                secrets[name] = text and hashlib.sha256(text.encode()).hexdigest()
checkpoints = list(apps.get_model("audit.Checkpoint")._base_manager.order_by("pk").values())
print(json.dumps({"secrets": secrets, "checkpoints": checkpoints}, default=str))
"""


def code_of(commit: str, folder: Path) -> Path:
    """Check the code of a commit out into a folder; skip where the history is not there."""
    git = ["git", "-c", "safe.directory=*"]
    known = subprocess.run([*git, "cat-file", "-e", f"{commit}^{{commit}}"], cwd=ROOT, capture_output=True)
    if known.returncode:
        pytest.skip(f"needs the history of the repository: {commit} is not in this clone")
    subprocess.run([*git, "clone", "--quiet", "--no-checkout", str(ROOT), str(folder)], check=True)
    subprocess.run([*git, "checkout", "--quiet", "--detach", commit], cwd=folder, check=True)
    return folder


def settings(folder: Path, **variables: str) -> dict[str, str]:
    """Return what both portals are told."""
    (folder / "mail").mkdir(exist_ok=True)
    return {
        "PUBLIC_URL": PUBLIC, "ALLOWED_HOSTS": "localhost,127.0.0.1", "EMAIL_URL": f"filemail://{folder}/mail",
        "WEBHOOK_ALLOW_CIDRS": "127.0.0.0/8", "RATE_LIMIT_DEFAULTS": "9999/minute", **variables,
    }  # fmt: skip


def kept_by(portal: Portal) -> dict[str, Any]:
    """Return what a portal reads of its secrets and checkpoints."""
    return json.loads(portal.manage("shell", "-v", "0", "-c", READ).splitlines()[-1])


def worker(portal: Portal, name: str) -> Child:
    """Start a worker of one of the portals."""
    words = [sys.executable, "manage.py", "worker"]
    return start(words, portal.folder, f"worker-{name}", portal.environment, portal.root)


def mails(folder: Path, to: str = "") -> str:
    """Return all mails that left so far, or those to one address, the oldest first, as one text."""
    files = sorted((folder / "mail").iterdir(), key=lambda file: file.stat().st_mtime_ns)
    return "\n".join(text for file in files if f"To: {to}" in (text := file.read_text()))


def link(folder: Path, to: str, pattern: str) -> str:
    """Return the path of the newest link of a kind that was mailed to an address."""
    found = re.findall(rf"{PUBLIC}({pattern})", mails(folder, to))
    assert found, f"no mail to {to} has a link like {pattern}:\n{mails(folder)[-3000:]}"
    return found[-1]


def signature(secret: str, request: Received) -> str:
    """Return what Standard Webhooks sign a request with."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    head = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode()
    return "v1," + base64.b64encode(hmac.digest(key, head + request.body, hashlib.sha256)).decode()

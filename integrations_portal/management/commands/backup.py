"""Write a backup of the database that can be restored elsewhere."""

import logging
import os
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from apps.base.commands import PortalCommand
from apps.base.errors import PortalError
from integrations_portal.database.backups import back_up, keep_newest
from integrations_portal.metrics.backups import record_success

logger = logging.getLogger(__name__)

SECRETS = ("SECRET_KEY", "ENCRYPTION_KEYS", "KEY_PEPPERS", "AUDIT_SIGNING_KEY")
HOW_TO_RESTORE = {
    "sqlite": "copy it to where DATABASE_URL points, with every process stopped",
    "postgresql": "createdb NEW && pg_restore --no-owner --no-privileges --exit-on-error --dbname=NEW FILE",
}


class Command(PortalCommand):
    help = (
        "Writes a consistent copy of the database into FILE while the portal runs: by SQLite's online backup, or by "
        "pg_dump in its custom format. FILE gets mode 0600, appears only when it is whole and on disk, and is never "
        "overwritten; where FILE is a folder, it gets a name there. The settings' secrets are not in it: without "
        "ENCRYPTION_KEYS and KEY_PEPPERS it is of no use. "
        "docs/operate.md says how it is restored."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file and the number of backups to keep."""
        super().add_arguments(parser)
        parser.add_argument("file", metavar="FILE", help="a name that does not exist yet, or a folder")
        parser.add_argument("--keep", metavar="N", type=int, help="remove all but the newest N that are in the folder")

    def run_command(self, **options: Any) -> dict[str, Any]:
        """Write the backup, and report what it does not contain and how to restore it."""
        started = time.monotonic()
        target, keep = Path(options["file"]).absolute(), options["keep"]
        if keep is not None and (keep < 1 or not os.path.isdir(target)):
            raise PortalError("--keep takes a number from 1 on, and FILE must be a folder that exists.")
        if options["file"].endswith("/") and not os.path.isdir(target):
            raise PortalError(f"{target} is no folder: make it first.")
        try:
            done = back_up(target)
        except PortalError as problem:
            logger.error("no backup was made: %s", problem)
            raise
        record_success()
        removed = keep_newest(target, keep) if keep else []
        logger.info("backup %s: %s bytes", done.path, done.size)
        missing = list(SECRETS)
        if settings.API_CALL_LOG == "stream":
            missing.append("about the last second of the call log, which is in Redis")
        return {
            "file": str(done.path),
            "database": done.vendor,
            "bytes": done.size,
            "seconds": round(time.monotonic() - started, 1),
            "removed": [str(path) for path in removed],
            "not_in_it": missing,
            "restore": HOW_TO_RESTORE[done.vendor],
        }

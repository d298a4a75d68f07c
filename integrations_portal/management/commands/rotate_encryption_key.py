"""Re-encrypt stored secrets after a new key was put first in ENCRYPTION_KEYS."""

from typing import Any

from django.conf import settings
from django.db import transaction

from apps.audit import actions as audit
from apps.base.actor import system
from apps.base.commands import PortalCommand
from apps.base.crypto.encrypted_fields import current_key_id
from apps.base.crypto.reencryption import ReencryptionResult, reencrypt_all
from apps.orgs.lookups import platform_pk


class Command(PortalCommand):
    help = (
        "Encrypts signing secrets, custom headers and secrets of authenticator apps anew under the current key, "
        "the first of ENCRYPTION_KEYS, while the portal runs. The rule: put the new key behind the old one and "
        "restart every process, then in front of it and restart again, run this, and take the old key away when "
        "nothing is left under it. Rows that somebody changes meanwhile are never overwritten. Exit code 1 while "
        "something is left."
    )

    def run_command(self, **options: Any) -> dict[str, Any]:
        """Re-encrypt, and report how many values are left under which older key."""
        self.done = done = reencrypt_all()
        current = current_key_id()
        if done.renewed:
            self._record(current, done)
        older = [key_id for key_id in settings.ENCRYPTION_KEYS if key_id != current]
        left = {key_id: done.left[key_id] for key_id in dict.fromkeys((*older, *done.left))}
        return {
            "current": current,
            "encrypted_anew": done.renewed,
            "changed_meanwhile": done.changed_meanwhile,
            "unreadable": done.unreadable,
            "left": left if options["json"] else [f"{key_id}={count}" for key_id, count in left.items()] or None,
            "may_be_removed": [key_id for key_id in older if not done.left[key_id]],
        }

    def failure(self, result: dict[str, Any]) -> str:
        """Return what to do about the values that are left, or nothing if there are none."""
        if result["unreadable"]:
            return (
                f"{result['unreadable']} values do not open. Where their key is missing, put it back into "
                "ENCRYPTION_KEYS and run this again; where it is there, the value was changed: rotate that secret, "
                "or reset_two_step for an account."
            )
        if self.done.left:
            return "Something is left: a process still runs with the older key in front. Restart it and run this again."
        return ""

    def _record(self, current: str, done: ReencryptionResult) -> None:
        with transaction.atomic():
            audit.record(
                actor=system(label="rotate_encryption_key"),
                action="encryption.renewed",
                target_kind="encryption",
                target_id=current,
                changes={"values": [None, done.renewed]},
                organization_id=platform_pk(),
            )

"""Puts what would run if it could into every text that the database holds about an organization."""

from typing import Any

from django.apps import apps
from django.db import models

from apps.audit.models import AuditEntry, Outcome
from apps.base.crypto.encrypted_fields import EncryptedTextField
from apps.base.identifiers import uuid_at

ALIVE = "\"'><i data-canary></i><img src=x onerror=ran.push(1)><script>ran.push(2)</script>{{7*7}}</title>"
SHORT = "'\"><i data-canary>"
SCRIPT = "javascript:ran.push(3)//"
# What the product compares, counts by, or takes for a path; and rows that are append-only or somebody's way in.
STRUCTURAL = {"client_id", "file_format", "device_digest", "token_digest", "slug", "kind", "category", "dedupe_key",
              "permission", "email", "to", "language", "time_zone",
              "password", "actor_kind", "created_by_kind", "key_id", "digest", "pepper_id", "publisher", "pattern",
              "status_class", "last_error", "disabled_reason", "next_attempt_reason", "event_type", "type", "hint",
              "error"}  # fmt: skip
OUR_APPS = {"orgs", "api_keys", "sdk_keys", "webhooks", "notices", "audit", "credentials"}
LEFT_ALONE = {"AuditEntry", "EventType", "KeyType", "Scope", "SweepPlace", "WorkerBeat", "EngineTotal",
              "IdempotencyRecord", "ReplayJob"}  # fmt: skip


def seed(samples: Any) -> int:
    """Fill every free text field of every row, and return how many values that were."""
    _record(samples)
    return sum(_fill(model) for model in apps.get_models() if model._meta.app_label in OUR_APPS)


def _fill(model: type[models.Model]) -> int:
    if model.__name__ in LEFT_ALONE:
        return 0
    values = {field.name: _payload(field) for field in model._meta.fields if _is_free(field)}
    rows = model._base_manager.all()
    return rows.update(**values) * len(values) if values else 0


def _is_free(field: models.Field) -> bool:
    if isinstance(field, EncryptedTextField) or field.choices or field.unique or field.name in STRUCTURAL:
        return False
    return isinstance(field, (models.CharField, models.TextField)) or field.name in JSON


JSON = {
    "request_headers": {ALIVE: ALIVE},
    "response_headers": [[ALIVE, ALIVE]],
    "params": dict.fromkeys(("name", "host", "address", "where", "reason", "failures"), ALIVE),
    "filters": {},
}


def _payload(field: models.Field) -> Any:
    if field.name in JSON:
        return JSON[field.name]
    if field.name == "url":
        return f"https://hooks.example/{ALIVE}"
    if field.name == "body":
        return '{"type":"order.created","data":{"%s":"%s"}}' % (("</script>" + SHORT.replace('"', ""),) * 2)
    if field.name == "path":
        return SCRIPT
    return ALIVE if (field.max_length or 1000) >= len(ALIVE) else SHORT[: field.max_length]


def _record(samples: Any) -> None:
    """The audit log takes no changes: a new entry is the worst that somebody could have written."""
    key = samples.rows["key"]
    AuditEntry.objects.create(
        pk=uuid_at(key.created_at), organization_id=key.organization_id, actor_kind="user", actor_id="user_x",
        actor_label=ALIVE, action="api_key.updated", target_kind="api_key", target_id=key.public_id,
        target_label=ALIVE, changes={ALIVE: [ALIVE, ALIVE]}, outcome=Outcome.SUCCESS, user_agent=ALIVE,
        request_id=SHORT, address="203.0.113.1",
    )  # fmt: skip

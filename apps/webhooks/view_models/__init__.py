"""Plain values that the webhook templates render."""

from apps.webhooks.view_models.catalogue import type_detail, type_facts, type_groups
from apps.webhooks.view_models.deliveries import delivery_detail, delivery_rows, is_in_progress
from apps.webhooks.view_models.endpoints import (
    endpoint_facts,
    endpoint_name,
    endpoint_rows,
    failure_summary,
    max_attempts,
    same_url_rows,
    secret_rows,
)
from apps.webhooks.view_models.replays import replay_facts
from apps.webhooks.view_models.testing import check_result, inbox_messages, test_steps

__all__ = [
    "check_result",
    "delivery_detail",
    "delivery_rows",
    "endpoint_facts",
    "endpoint_name",
    "endpoint_rows",
    "failure_summary",
    "inbox_messages",
    "is_in_progress",
    "max_attempts",
    "replay_facts",
    "same_url_rows",
    "secret_rows",
    "test_steps",
    "type_detail",
    "type_facts",
    "type_groups",
]

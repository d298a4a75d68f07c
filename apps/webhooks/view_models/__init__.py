"""Build the context values of the webhook templates."""

from apps.webhooks.view_models.catalogue import type_context, type_detail, type_groups
from apps.webhooks.view_models.deliveries import delivery_detail, delivery_rows, is_in_progress
from apps.webhooks.view_models.endpoints import (
    endpoint_context,
    endpoint_name,
    endpoint_rows,
    failure_summary,
    max_attempts,
    same_url_rows,
    secret_rows,
)
from apps.webhooks.view_models.replays import replay_context
from apps.webhooks.view_models.testing import check_result, inbox_messages, test_steps

__all__ = [
    "check_result",
    "delivery_detail",
    "delivery_rows",
    "endpoint_context",
    "endpoint_name",
    "endpoint_rows",
    "failure_summary",
    "inbox_messages",
    "is_in_progress",
    "max_attempts",
    "replay_context",
    "same_url_rows",
    "secret_rows",
    "test_steps",
    "type_context",
    "type_detail",
    "type_groups",
]

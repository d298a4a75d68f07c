"""Actions on endpoints, deliveries, events and event types."""

from apps.webhooks.actions.catalogue import (
    check_event_name,
    check_successor,
    delete_event_type,
    save_event_type,
)
from apps.webhooks.actions.deliveries import (
    hold_for_suspension,
    release_after_suspension,
    retry_delivery,
    send_test,
    stop_for_organization,
)
from apps.webhooks.actions.endpoints import (
    HELD_CHOICES,
    create_endpoint,
    delete_endpoint,
    enable_endpoint,
    pause_endpoint,
    subscribe_endpoint,
    update_endpoint,
)
from apps.webhooks.actions.events import publish_event, publish_events
from apps.webhooks.actions.replays import (
    REPLAYABLE,
    cancel_replay,
    count_replay,
    replay_selection,
    retry_deliveries,
    start_replay,
)
from apps.webhooks.actions.secrets import revoke_secret, rotate_secret
from apps.webhooks.actions.testing import open_inbox, probe_url

__all__ = [
    "HELD_CHOICES",
    "REPLAYABLE",
    "cancel_replay",
    "check_event_name",
    "check_successor",
    "count_replay",
    "create_endpoint",
    "delete_endpoint",
    "delete_event_type",
    "enable_endpoint",
    "hold_for_suspension",
    "open_inbox",
    "pause_endpoint",
    "probe_url",
    "publish_event",
    "publish_events",
    "release_after_suspension",
    "replay_selection",
    "retry_deliveries",
    "retry_delivery",
    "revoke_secret",
    "rotate_secret",
    "save_event_type",
    "send_test",
    "start_replay",
    "stop_for_organization",
    "subscribe_endpoint",
    "update_endpoint",
]

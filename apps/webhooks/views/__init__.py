"""Pages of Settings → Integration → Webhooks and Event catalogue."""

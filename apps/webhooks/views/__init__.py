"""Page views of webhooks and the event catalogue."""

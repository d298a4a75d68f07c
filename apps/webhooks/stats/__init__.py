"""Counters and rollups of deliveries, for pages and metrics."""

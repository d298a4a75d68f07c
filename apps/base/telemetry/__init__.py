"""Logs and metrics: what the process writes about itself."""

"""Limits on what one process works on at once."""

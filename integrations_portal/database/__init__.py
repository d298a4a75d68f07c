"""Backups, poolers and locks of migrations."""

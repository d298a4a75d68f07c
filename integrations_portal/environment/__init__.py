"""Strict reading of settings from environment variables."""

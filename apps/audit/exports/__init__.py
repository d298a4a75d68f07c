"""Exports of the audit log: streamed at once, or stored jobs."""

"""Retention of the audit log and the call log: periods, and the jobs that delete older rows."""

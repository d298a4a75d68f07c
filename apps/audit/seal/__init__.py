"""Tamper evidence: the hash chain, checkpoints, hourly digests, and the checks of all three."""

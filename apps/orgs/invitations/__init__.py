"""Sending, accepting and revoking invitations."""

"""Validation of texts and email addresses that users and API clients enter."""

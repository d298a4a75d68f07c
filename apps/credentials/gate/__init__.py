"""The key check: authenticates a key and applies its restrictions and rate limits."""

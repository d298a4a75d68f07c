"""The life cycle of keys of all kinds: issue, change, rotate and revoke, with its pages and forms."""

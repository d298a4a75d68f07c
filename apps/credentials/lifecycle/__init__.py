"""The life of a key of any kind: issued, disabled, rotated, revoked; its pages and forms."""

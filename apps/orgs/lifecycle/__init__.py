"""An organization's life: created, suspended, closed, exported, purged."""

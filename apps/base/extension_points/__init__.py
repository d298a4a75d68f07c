"""Registries that each app fills in ``AppConfig.ready``: periodic jobs, parts of an export, descendants of a key."""

"""What each app registers in ``AppConfig.ready``: periodic jobs, data of an export, descendants of a key."""

"""Periodic jobs beside the engine: replays, retention, fan-out."""

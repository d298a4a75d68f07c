"""The delivery engine: claims what is due, sends it, records what came of it."""

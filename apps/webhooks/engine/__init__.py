"""The delivery engine: claims due deliveries, sends them and records the outcomes."""

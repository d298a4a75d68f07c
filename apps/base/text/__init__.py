"""Rules for text that people and programs enter."""

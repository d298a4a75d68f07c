"""Pages about people and organizations, a module for each thing."""

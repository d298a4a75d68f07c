"""The project: wires the apps together; nobody imports it."""

__version__ = "0.2.0"

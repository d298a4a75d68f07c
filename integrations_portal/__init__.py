"""The Django project: it wires the apps together; no app imports it."""

__version__ = "0.2.0"

"""WSGI entry, for granian or any other server. Reads the environment only, never the demo's file."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrations_portal.settings")

# Below, for DRF reads the settings as soon as it is imported.
from apps.base import programs

application = programs.application()

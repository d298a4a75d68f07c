"""WSGI entry, for granian or any other server. Reads the environment only, never the demo's file."""

import os

from apps.base import programs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrations_portal.settings")
application = programs.application()

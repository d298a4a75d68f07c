"""WSGI entry, for granian or any other server. Reads the environment only, never the demo's file."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrations_portal.settings")

try:
    settings.INSTALLED_APPS  # noqa: B018  reading any setting loads them all
except ImproperlyConfigured as problem:
    # The sentence alone: a traceback of a server's child hides it.
    sys.exit(str(problem))

# Below, for DRF reads the settings as soon as it is imported.
from apps.base import programs

application = programs.application()

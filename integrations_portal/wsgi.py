"""WSGI entry, for granian or any other server. Reads the environment only, never the demo's file."""

import logging
import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.base.logging import configure_logging, log_uncaught

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrations_portal.settings")

try:
    settings.INSTALLED_APPS  # noqa: B018  reading any setting loads them all
except ImproperlyConfigured as problem:
    # The sentence alone: a traceback of a server's child hides it.
    configure_logging("INFO", sys.stderr)
    logging.getLogger(__name__).critical(str(problem))
    sys.exit(1)

# Below, for DRF reads the settings as soon as it is imported, and before anything is counted.
from apps.base import shared_figures

not_shared = shared_figures.share()

from apps.base import programs  # noqa: E402 - it makes the counters

log_uncaught()
try:
    application = programs.application()
except Exception:
    # A server's child prints the traceback of many lines by itself.
    logging.getLogger(__name__).critical("the portal could not be loaded", exc_info=True)
    sys.exit(1)
if not_shared:
    logging.getLogger(__name__).warning(not_shared)

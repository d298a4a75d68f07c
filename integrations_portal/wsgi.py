"""WSGI entry point for granian or any other server. Reads only the environment, never the demo's settings file."""

import logging
import os
import sys
from typing import NoReturn

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.base.telemetry.logging import configure_logging, log_uncaught_exceptions


def exit_with_error(message: str, error: Exception | None = None) -> NoReturn:
    """Log one line and exit with 1, instead of the traceback that the server would print."""
    configure_logging("INFO", sys.stderr)
    logging.getLogger(__name__).critical(message, exc_info=error)
    sys.exit(1)


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrations_portal.settings")

try:
    settings.INSTALLED_APPS  # noqa: B018  reading any setting loads them all
    # Imported here: DRF reads the settings on import, and metrics must be set up before anything is counted.
    from apps.base.telemetry import process_metrics

    metrics_warning = process_metrics.enable_multiprocess_metrics()

    from apps.base.rest import api_fast_path  # creates the metrics

    log_uncaught_exceptions()
    application = api_fast_path.application()
except ImproperlyConfigured as problem:
    # Without the traceback, which would hide the message.
    exit_with_error(str(problem))
except Exception as error:
    exit_with_error("the portal could not be loaded", error)
if metrics_warning:
    logging.getLogger(__name__).warning(metrics_warning)

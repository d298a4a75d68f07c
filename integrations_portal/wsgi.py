"""WSGI entry, for granian or any other server. Reads the environment only, never the demo's file."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "integrations_portal.settings")
application = get_wsgi_application()

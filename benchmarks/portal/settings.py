"""The portal's settings with the URLs of the trivial view."""

from integrations_portal.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.portal.urls"

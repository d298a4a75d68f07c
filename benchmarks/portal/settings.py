"""The portal's settings, and where its trivial view is."""

from integrations_portal.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.portal.urls"

"""The entry for web servers: it names the settings itself, whatever its environment says."""

import os
import subprocess
import sys

import pytest

from tests.conventions.tree import ROOT

pytestmark = pytest.mark.pure


def test_it_loads_where_nobody_has_named_the_settings():
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    load = "import integrations_portal.wsgi as wsgi; print(type(wsgi.application).__name__)"
    done = subprocess.run([sys.executable, "-c", load], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout.strip()) == (0, "Application"), done.stderr

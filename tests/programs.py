"""Programs that some tests start and not every machine has: without them these are skipped, and fail in CI."""

import os
import shutil

import pytest

# What the browser is called on different systems.
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def need(*names: str) -> str:
    """Return the path of the first of these programs that is installed; without any skip the test, or fail it in CI."""
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(f"{names[0]} is not installed")
    return found

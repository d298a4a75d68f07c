"""The settings as mypy's plugin for Django loads them: the product's own, in the environment of the tests.

So `mypy` needs no environment, and a caller's own does not change what it finds.
"""

import shutil

from tests.environment import FOLDER

# isort: split
from integrations_portal.settings import *  # noqa: F403

# mypy ends without the clean-up that tests.environment registers.
shutil.rmtree(FOLDER, ignore_errors=True)

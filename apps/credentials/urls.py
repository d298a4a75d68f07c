"""Both doors of this app."""

from typing import Any

from apps.base.api import api_path
from apps.credentials import api as doors

pages: list[Any] = []
api = [api_path("leaked-keys", doors.LeakedKeys, "leaked-keys")]

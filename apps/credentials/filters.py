"""Which keys a list is narrowed to, in the query string of the API and of the pages."""

import re

from apps.base.parameters import matching_parameter
from apps.base.requests import ApiRequest

CREATOR = re.compile(r"(?:user|key)_[0-9A-Za-z]{22}", re.ASCII)
EXAMPLE = "01JD2V8Q4ZK7M3X9T5B6CW"


def creator_parameter(request: ApiRequest, name: str = "created_by") -> str | None:
    """Return the public id of a creator, or None where it is absent; they may be gone by now."""
    return matching_parameter(request, name, CREATOR, f"user_{EXAMPLE} or key_{EXAMPLE}")

"""Filters of key lists, from the query string of the API and the pages."""

import re

from apps.base.models import Row
from apps.base.requests import ApiRequest
from apps.base.rest.query_parameters import choice_list_parameter, matching_parameter, text_parameter
from apps.credentials.key_status import KeyStatus
from apps.credentials.models import SecretKeyQuerySet

CREATOR = re.compile(r"(?:user|key)_[0-9A-Za-z]{22}", re.ASCII)
EXAMPLE = "01JD2V8Q4ZK7M3X9T5B6CW"
MAX_NAME_LENGTH = 100


def creator_parameter(request: ApiRequest, name: str = "created_by") -> str | None:
    """Return the public id of a creator, who may no longer exist, or None where it is absent."""
    return matching_parameter(request, name, CREATOR, f"user_{EXAMPLE} or key_{EXAMPLE}")


def filter_keys(request: ApiRequest, rows: SecretKeyQuerySet[Row]) -> SecretKeyQuerySet[Row]:
    """Apply the filters of all kinds of keys: ``created_by``, ``status`` and ``name``."""
    creator, name = creator_parameter(request), text_parameter(request, "name", MAX_NAME_LENGTH)
    statuses = choice_list_parameter(request, "status", KeyStatus.values)
    rows = rows.created_by(creator) if creator else rows
    rows = rows.in_any_status(statuses) if statuses else rows
    return rows.named(name) if name else rows

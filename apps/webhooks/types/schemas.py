"""Validate the ``data`` of events against the schema of their type, and validate schemas.

By default jsonschema-rs fetches ``file://`` and ``http://`` references; this module refuses them.
"""

import json
import logging
from functools import lru_cache
from itertools import islice
from typing import Any, NoReturn

from django.utils.translation import gettext as _
from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from apps.base.errors import Invalid
from apps.base.rest.renderers import to_json
from apps.webhooks.models import EventType

logger = logging.getLogger(__name__)

MAX_ERRORS = 5
MAX_SCHEMA_BYTES = 64 * 1024
REFERENCES = ("$ref", "$dynamicRef")


def check_data(type_row: EventType, data: Any) -> None:
    """Raise Invalid on ``data``, with up to five errors, unless it matches the type's schema."""
    try:
        validator = _validator(to_json(type_row.schema))
    except ValueError as error:
        # The operators' form rejects such a schema; if one is stored anyway, no event of the type is accepted.
        logger.error("the schema of the event type %s cannot be used: %s", type_row.name, _first_line(error))
        raise Invalid.field("type", _("The schema of this event type cannot be used: tell the operator.")) from None
    if validator.is_valid(data):
        return
    errors = [_message(error) for error in islice(validator.iter_errors(data), MAX_ERRORS)]
    sentence = _("data does not keep the schema of %(type)s: %(complaint)s")
    raise Invalid(sentence % {"type": type_row.name, "complaint": errors[0]}, {"data": errors})


def check_schema(schema: Any) -> None:
    """Raise Invalid on ``schema`` unless it is a JSON Schema of draft 2020-12 without external references."""
    if not isinstance(schema, dict):
        raise Invalid.field("schema", _("A schema is a JSON object."))
    text = to_json(schema)
    if len(text.encode()) > MAX_SCHEMA_BYTES:
        raise Invalid.field("schema", _("The schema is larger than 64 KiB."))
    if any(not target.startswith("#") for target in _references(schema)):
        raise Invalid.field("schema", _("References may only point into the schema itself (#…)."))
    try:
        _validator(text)
    except ValueError as error:
        sentence = _("This is not a valid schema: %(reason)s") % {"reason": _first_line(error)}
        raise Invalid.field("schema", sentence) from None


@lru_cache(maxsize=256)
def _validator(schema_text: str) -> Draft202012Validator:
    """Compile a schema, with the linear-time regex engine, so that no pattern can stall a request."""
    return Draft202012Validator(
        json.loads(schema_text), validate_formats=True, retriever=_refuse_reference, pattern_options=RegexOptions()
    )


def _refuse_reference(uri: str) -> NoReturn:
    raise ValueError(f"references are not followed: {uri}")


def _message(error: ValidationError) -> str:
    path = ".".join(str(part) for part in error.instance_path)
    return f"{path}: {_first_line(error)}" if path else _first_line(error)


def _first_line(error: Exception) -> str:
    return str(getattr(error, "message", error)).partition("\n")[0][:300]


def _references(value: Any) -> list[str]:
    """Return the targets of all references in a schema, at any depth."""
    if isinstance(value, list):
        return [target for item in value for target in _references(item)]
    if not isinstance(value, dict):
        return []
    own = [value[name] for name in REFERENCES if isinstance(value.get(name), str)]
    return own + [target for item in value.values() for target in _references(item)]

"""Checking ``data`` against the schema of its event type, and a schema before it is saved.

jsonschema-rs follows ``file://`` and ``http://`` references by itself; here nothing is ever fetched.
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

MOST_COMPLAINTS = 5
MOST_SCHEMA_BYTES = 64 * 1024
REFERENCES = ("$ref", "$dynamicRef")


def check_data(type_row: EventType, data: Any) -> None:
    """Raise Invalid on ``data``, naming up to five places, where it does not keep the type's schema."""
    try:
        validator = _validator(to_json(type_row.schema))
    except ValueError as error:
        # Operators' forms refuse such a schema; one that came by another way must not let unchecked data pass.
        logger.error("the schema of the event type %s cannot be used: %s", type_row.name, _first_line(error))
        raise Invalid.field("type", _("The schema of this event type cannot be used: tell the operator.")) from None
    if validator.is_valid(data):
        return
    complaints = [_complaint(error) for error in islice(validator.iter_errors(data), MOST_COMPLAINTS)]
    sentence = _("data does not keep the schema of %(type)s: %(complaint)s")
    raise Invalid(sentence % {"type": type_row.name, "complaint": complaints[0]}, {"data": complaints})


def check_schema(schema: Any) -> None:
    """Raise Invalid on ``schema`` unless it is a draft 2020-12 schema that refers to nothing outside."""
    if not isinstance(schema, dict):
        raise Invalid.field("schema", _("A schema is a JSON object."))
    text = to_json(schema)
    if len(text.encode()) > MOST_SCHEMA_BYTES:
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
    """Compile once per content. The linear-time regex engine: an operator's pattern cannot stall a request."""
    return Draft202012Validator(
        json.loads(schema_text), validate_formats=True, retriever=_never, pattern_options=RegexOptions()
    )


def _never(uri: str) -> NoReturn:
    raise ValueError(f"references are not followed: {uri}")


def _complaint(error: ValidationError) -> str:
    place = ".".join(str(part) for part in error.instance_path)
    return f"{place}: {_first_line(error)}" if place else _first_line(error)


def _first_line(error: Exception) -> str:
    return str(getattr(error, "message", error)).partition("\n")[0][:300]


def _references(value: Any) -> list[str]:
    """List what a schema points to, wherever it stands in it."""
    if isinstance(value, list):
        return [target for item in value for target in _references(item)]
    if not isinstance(value, dict):
        return []
    own = [value[name] for name in REFERENCES if isinstance(value.get(name), str)]
    return own + [target for item in value.values() for target in _references(item)]

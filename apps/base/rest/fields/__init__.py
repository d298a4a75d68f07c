"""The fields of the public API's objects and bodies, each declared once with its meaning, limits and an example.

From the declaration come the check of a body, the writing of an object, the JSON Schema of ``/openapi.json``
(https://json-schema.org/draft/2020-12), the tables of the reference and the controls of the browsable API.
"""

from apps.base.rest.fields.description import WHOLE_ROW, Converter, Described, Schema, computed, schema_of
from apps.base.rest.fields.structures import AnyObject, ListOf, Nested, TextList, TextMap
from apps.base.rest.fields.values import (
    EXAMPLE_ID_SUFFIX,
    SECRET_INPUT,
    Choice,
    Decimal,
    Email,
    Id,
    IPAddress,
    PlainText,
    StrictBoolean,
    StrictInteger,
    StrictString,
    Timestamp,
)

__all__ = [
    "EXAMPLE_ID_SUFFIX",
    "SECRET_INPUT",
    "WHOLE_ROW",
    "AnyObject",
    "Choice",
    "Converter",
    "Decimal",
    "Described",
    "Email",
    "IPAddress",
    "Id",
    "ListOf",
    "Nested",
    "PlainText",
    "Schema",
    "StrictBoolean",
    "StrictInteger",
    "StrictString",
    "TextList",
    "TextMap",
    "Timestamp",
    "computed",
    "schema_of",
]

"""The parts of the OpenAPI document that operations share: schemas, error responses, examples and headers."""

from itertools import count
from typing import Any

from apps.base.error_codes import ERROR_CODES, example_body
from apps.base.rest.fields import AnyObject, Choice, Schema, StrictString
from apps.base.rest.serializers import ApiSerializer, ResponseSerializer


class ErrorResponseSerializer(ResponseSerializer):
    """What is wrong with a request. Every error of the API has this form."""

    error = StrictString("What is wrong, as a sentence.", example="Not found.")
    code = Choice(ERROR_CODES, "What is wrong, as a word that does not change.", example="not_found")
    request_id = StrictString("The id of the request, for support.", example="req-01JD2V8Q4ZK7")
    docs = StrictString("Where the code is explained.", example="https://portal.example.com/docs/errors#not_found")
    fields_ = AnyObject(
        "The fields that are wrong, each with its messages.",
        values={"type": "array", "items": {"type": "string"}},
        name="fields",
        example={"email": ["This field is required."]},
        required=False,
    )


class SharedComponents:
    """Schemas, responses and examples that operations refer to, collected while they are described."""

    def __init__(self) -> None:
        self.schemas: dict[str, Schema] = {}
        self.responses: dict[str, Schema] = {}
        self.examples: dict[str, Schema] = {code: {"value": example_body(code)} for code in ERROR_CODES}

    def add(self, serializer: type[ApiSerializer]) -> Schema:
        """Add the schema of a serializer, with those that it refers to, and return a reference to it.

        An object without fields stands in its place: no generator makes a good class of it.
        """
        if not serializer.has_fields():
            return serializer.schema()
        name = serializer.schema_name()
        if name not in self.schemas:
            self.schemas[name] = serializer.schema()
            for nested in serializer.nested():
                self.add(nested)
        return {"$ref": f"#/components/schemas/{name}"}

    def add_example(self, name: str, value: Any) -> Schema:
        """Add an example and return a reference to it: openapi-generator warns of one that stands in its place."""
        assert name not in self.examples
        self.examples[name] = {"value": value}
        return {"$ref": f"#/components/examples/{name}"}

    def error_response(self, status: int, codes: list[str], headers: list[str]) -> str:
        """Return the name of the shared error response with these codes and headers, adding it if it is new."""
        response = _error_response(codes, headers)
        for number in count(1):
            name = f"Error{status}" if number == 1 else f"Error{status}_{number}"
            if self.responses.setdefault(name, response) == response:
                return name
        raise AssertionError("count() has no end")


def _error_response(codes: list[str], headers: list[str]) -> Schema:
    examples = {code: {"$ref": f"#/components/examples/{code}"} for code in codes}
    return {
        "description": " · ".join(f"`{code}`" for code in codes),
        "headers": header_references(headers),
        "x-codes": codes,
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/ErrorResponse"}, "examples": examples}
        },
    }


def header_references(names: list[str]) -> dict[str, Any]:
    """Return references to shared headers."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}

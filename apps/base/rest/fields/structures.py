"""Fields with several values: lists and objects."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from apps.base.rest.fields.description import Converter, Described, Schema, given, schema_of
from apps.base.rest.fields.values import PlainText


class ListOf(Described, serializers.ListField):
    """A JSON list."""

    def __init__(self, child: Any, help_text: str = "", **options: Any) -> None:
        super().__init__(help_text, child=child, **options)

    def to_internal_value(self, data: Any) -> list[Any]:
        """Accept lists only: DRF would iterate over other iterables."""
        if not isinstance(data, list):
            self.fail("not_a_list", input_type=type(data).__name__)
        return super().to_internal_value(data)

    def converter(self) -> Converter | None:
        """Convert each item."""
        child: Any = self.child
        convert: Converter | None = child.converter()
        return list if convert is None else lambda items: [convert(item) for item in items]

    def type_schema(self, is_body: bool) -> Schema:
        """Describe a list of what the child describes."""
        schema: Schema = {"type": "array", "items": schema_of(self.child, is_body)}
        return {**schema, **given(minItems=self.min_length, maxItems=self.max_length)} if is_body else schema

    def example(self) -> Any:
        """Return the declared example, else a list of the child's."""
        child: Any = self.child
        return [child.example()] if self.own_example is empty else self.own_example


class TextList(ListOf):
    """A JSON list of strings."""

    def __init__(self, help_text: str = "", **options: Any) -> None:
        super().__init__(PlainText(max_length=200), help_text, **options)


class TextMap(Described, serializers.Field[dict[str, str], Any, Any, Any]):
    """A JSON object whose values are strings."""

    default_error_messages = {"invalid": "Headers are an object of name and value, both texts."}

    def to_internal_value(self, data: Any) -> dict[str, str]:
        """Accept objects of strings only."""
        if not isinstance(data, dict) or not all(isinstance(value, str) for value in data.values()):
            self.fail("invalid")
        return data

    def type_schema(self, is_body: bool) -> Schema:
        """Describe an object of strings."""
        return {"type": "object", "additionalProperties": {"type": "string"}}


class AnyObject(Described, serializers.Field[dict[str, Any], Any, Any, Any]):
    """A JSON object with any members."""

    default_error_messages = {"invalid": "This must be a JSON object."}

    def __init__(self, help_text: str = "", *, values: Mapping[str, Any] | None = None, **options: Any) -> None:
        super().__init__(help_text, **options)
        self.values = values

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Accept objects only."""
        if not isinstance(data, dict):
            self.fail("invalid")
        return data

    def type_schema(self, is_body: bool) -> Schema:
        """Describe an object, with the schema of its values if they have one."""
        # Not `true`: within a closed object openapi-generator warns of it. Both mean the same.
        return {"type": "object", "additionalProperties": {} if self.values is None else self.values}


class Nested(Described, serializers.Field[Any, Any, Any, Any]):
    """An object within an answer."""

    def __init__(self, serializer: Any, help_text: str = "", **options: Any) -> None:
        super().__init__(help_text, **options)
        self.serializer = serializer

    def converter(self) -> Converter | None:
        """Write the row as the serializer does, without a context."""
        return self.serializer().to_representation  # type: ignore[no-any-return]

    def type_schema(self, is_body: bool) -> Schema:
        """Refer to the schema of the object."""
        return {"$ref": f"#/components/schemas/{self.serializer.schema_name()}"}

    def schema_in_place(self) -> Schema:
        """Return the schema of the object, to be written out where the field stands."""
        schema: Schema = self.serializer.schema_in_place()
        return schema

    def example(self) -> Any:
        """Return the declared example, else the object's."""
        return self.serializer.example() if self.own_example is empty else self.own_example

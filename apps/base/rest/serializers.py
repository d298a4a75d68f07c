"""Strict serializers of request bodies, and the serializers that write the objects of the public API."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.fields import empty
from rest_framework.settings import api_settings

from apps.base.errors import Invalid
from apps.base.rest.fields import WHOLE_ROW, Converter, Nested, Schema, StrictString, computed, schema_of


class NamedFields(serializers.SerializerMetaclass):
    """Collects the fields of a serializer by their names in JSON, which ``name`` of a field may set."""

    @classmethod
    def _get_declared_fields(cls, bases: Any, attrs: dict[str, Any]) -> dict[str, Any]:
        found = super()._get_declared_fields(bases, attrs)
        return {getattr(field, "api_name", "") or name: field for name, field in found.items()}


class ApiSerializer(serializers.Serializer[Any], metaclass=NamedFields):
    """A body or an object of the public API, described by its fields."""

    _declared_fields: dict[str, Any]
    # Whether it is sent by clients: then other fields are refused, and limits are part of its schema.
    is_body: ClassVar[bool] = False
    # The fields of the example; empty: see ``example``.
    usual: ClassVar[Sequence[str]] = ()

    @classmethod
    def schema_name(cls) -> str:
        """Return the name of the schema, which generated clients give the class."""
        return cls.__name__.removesuffix("Serializer")

    @classmethod
    def has_fields(cls) -> bool:
        """Return whether the object has fields; a body without them is not part of the document."""
        return bool(cls._declared_fields)

    @classmethod
    def schema_text(cls) -> str:
        """Return what the object is, for callers of the API: the first paragraph of the docstring."""
        return (cls.__doc__ or "").partition("\n\n")[0].replace("\n    ", " ")

    @classmethod
    def schema(cls) -> Schema:
        """Return the JSON Schema: closed for bodies; answers may get more fields in later versions."""
        fields = cls._declared_fields
        schema: Schema = {
            "type": "object",
            "description": cls.schema_text(),
        }
        if not fields:
            return {**schema, "additionalProperties": not cls.is_body}
        schema["properties"] = {name: schema_of(field, cls.is_body) for name, field in fields.items()}
        required = [name for name, field in fields.items() if field.required]
        if required:
            schema["required"] = required
        return {**schema, "additionalProperties": False, "examples": [cls.example()]} if cls.is_body else schema

    @classmethod
    def schema_in_place(cls) -> Schema:
        """Return the schema as a part of another: without an example, and closed by naming every property.

        openapi-generator warns of an object closed by ``additionalProperties`` within another one.
        """
        schema = {name: value for name, value in cls.schema().items() if name != "examples"}
        if schema.pop("additionalProperties", True) is False:
            schema["propertyNames"] = {"enum": list(schema["properties"])}
        return schema

    @classmethod
    def field(cls, name: str, **changes: Any) -> Any:
        """Return a copy of a field for another serializer, with changed options."""
        return cls._declared_fields[name].but(**changes)

    @classmethod
    def nested(cls) -> Iterator[type["ApiSerializer"]]:
        """Yield the serializers that the schema refers to."""
        for field in cls._declared_fields.values():
            inner = getattr(field, "child", field)
            if isinstance(inner, Nested):
                yield inner.serializer
            elif isinstance(inner, ApiSerializer):
                yield type(inner)

    @classmethod
    def example(cls) -> Any:
        """Return an example made of those of ``usual``; else of all fields, or of those that a body needs."""
        fields = cls._declared_fields.items()
        names = cls.usual or [name for name, field in fields if field.required or not cls.is_body]
        return {name: cls._declared_fields[name].example() for name in names}

    # As a field of another body:

    def type_schema(self, is_body: bool) -> Schema:
        """Refer to the schema of this serializer."""
        return {"$ref": f"#/components/schemas/{self.schema_name()}"}

    def but(self, **changes: Any) -> "ApiSerializer":
        """Return a copy for another serializer, with changed options."""
        return type(self)(**{**self._kwargs, **changes})  # type: ignore[attr-defined]  # kept by DRF's Field


class ResponseSerializer(ApiSerializer):
    """An object in answers, written from a row by its fields, of which each says where its value is.

    A field that is not required is left out where its value is None.
    """

    # Built once per class. The attributes of a row are read in one call: the time of a list is that of its fields.
    _attributes: ClassVar[tuple[str, ...]] = ()
    _read_attributes: ClassVar[Callable[[Any], Iterable[Any]]]
    # The fields that take more than an attribute: how the value is computed, and how it becomes JSON.
    _steps: ClassVar[tuple[tuple[str, Callable[[Any, Any], Any] | None, Converter | None], ...]] = ()
    _omitted_if_none: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        fields = cls._declared_fields.items()
        computed = {name: field.compute or _whole_row(field, name) for name, field in fields}
        paths = {name: field.source_of(name) for name, field in fields if computed[name] is None}
        cls._attributes = tuple(paths)
        cls._read_attributes = _reader(tuple(paths.values()))
        steps = [(name, computed[name], field.converter()) for name, field in fields]
        cls._steps = tuple(step for step in steps if any(step[1:]))
        cls._omitted_if_none = tuple(name for name, field in fields if not field.required)

    @property
    def context(self) -> Any:
        """What methods know beside the row. DRF's own looks for the outermost serializer each time."""
        return self._context

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the JSON object of a row."""
        body: dict[str, Any] = dict.fromkeys(self._declared_fields)
        body.update(zip(self._attributes, type(self)._read_attributes(instance)))  # noqa: B905  as many, by construction
        for name, compute, convert in self._steps:
            value = body[name] if compute is None else compute(self, instance)
            body[name] = value if convert is None or value is None else convert(value)
        for name in self._omitted_if_none:
            if body[name] is None:
                del body[name]
        return body

    @classmethod
    def write(cls, row: Any, **context: Any) -> dict[str, Any]:
        """Return the JSON object of a row; ``context`` is what the serializer's methods know beside it."""
        return cls(context=context).to_representation(row) if context else _without_context(cls).to_representation(row)

    @classmethod
    def write_all(cls, rows: Iterable[Any], **context: Any) -> list[dict[str, Any]]:
        """Return the JSON objects of rows."""
        serializer = cls(context=context)
        return [serializer.to_representation(row) for row in rows]


def one_time_secret(help_text: str, example: str) -> Any:
    """Declare the field of a secret that only the response which creates it has: ``secret`` of the context."""
    field = StrictString(help_text, example=example, required=False)
    return computed(field)(lambda serializer, _row: serializer.context.get("secret"))


def _whole_row(field: Any, name: str) -> Callable[[Any, Any], Any] | None:
    """Return the function for a field whose value is the row itself, or None for one that has an attribute."""
    return (lambda _serializer, row: row) if field.source_of(name) == WHOLE_ROW else None


def _reader(paths: tuple[str, ...]) -> Callable[[Any], Iterable[Any]]:
    """Return the function that reads these attributes of a row."""
    if len(paths) > 1:
        return attrgetter(*paths)
    return lambda row: [attrgetter(path)(row) for path in paths]


@cache
def _without_context(serializer: type[ResponseSerializer]) -> ResponseSerializer:
    return serializer()


class StrictSerializer(ApiSerializer):
    """A body without unknown fields. It only validates: actions write."""

    is_body = True
    # Whether at least one of the optional fields is required.
    requires_a_field = False

    @classmethod
    def schema(cls) -> Schema:
        """Return the JSON Schema, with at least one field where an empty body is refused."""
        return {**super().schema(), **({"minProperties": 1} if cls.requires_a_field else {})}

    def run_validation(self, data: Any = empty) -> Any:
        """Report unknown fields together with the errors of known ones."""
        unknown = sorted(set(data) - self.writable_names()) if isinstance(data, dict) else []
        try:
            values = super().run_validation(data)
        except serializers.ValidationError as error:
            detail = error.detail if isinstance(error.detail, dict) else {"body": error.detail}
            raise serializers.ValidationError({**detail, **self._unknown_errors(unknown)}) from None
        if unknown:
            raise serializers.ValidationError(self._unknown_errors(unknown))
        return values

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse an empty body where one of the fields is required."""
        if self.requires_a_field and not attrs:
            raise serializers.ValidationError({"body": [f"Send one of: {', '.join(sorted(self.writable_names()))}."]})
        return attrs

    def writable_names(self) -> set[str]:
        """Return the names of the fields that a body can have."""
        return {name for name, declared in self.fields.items() if not declared.read_only}

    @staticmethod
    def _unknown_errors(unknown: list[str]) -> dict[str, list[str]]:
        return {name: ["This field is not known here, or cannot be set."] for name in unknown}


class EmptyBody(StrictSerializer):
    """A body without fields."""


def _flatten(detail: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            own = name == api_settings.NON_FIELD_ERRORS_KEY
            yield from _flatten(inner, prefix if own else f"{prefix}.{name}" if prefix else str(name))
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            if isinstance(inner, (dict, list)):
                yield from _flatten(inner, f"{prefix}.{index}" if prefix else str(index))
            else:
                yield prefix, str(inner)
    else:
        yield prefix, str(detail)


def invalid_from_detail(detail: Any) -> Invalid:
    """Convert the errors of a serializer into Invalid, with a message and the invalid fields."""
    fields: dict[str, list[str]] = {}
    # Two validators of a field can have the same message.
    for name, text in dict.fromkeys(_flatten(detail)):
        fields.setdefault(name or "body", []).append(text)
    sentence = " ".join(f"{name}: {texts[0]}" for name, texts in fields.items())
    return Invalid(sentence, fields)

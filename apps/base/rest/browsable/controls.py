"""The form controls of the browsable API, each with its value and its errors."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers

from apps.base.rest.browsable.control_types import ControlType, control_type_of
from apps.base.rest.operations import Operation, Paging
from apps.base.rest.renderers import to_json

MIN_ROWS, MAX_ROWS = 2, 12


@dataclass(frozen=True)
class OrganizationExample:
    """An example value of a field from the reader's organization, and values to suggest."""

    value: Any = None
    suggestions: Sequence[str] = ()


@dataclass
class Control:
    """A form control."""

    name: str
    type: ControlType
    value: str = ""
    required: bool = False
    id: str = ""
    hint: str = ""
    # The text of the field in the API reference, which is in English.
    description: str = ""
    choices: Sequence[str] = ()
    suggestions: Sequence[str] = ()
    minimum: int | None = None
    maximum: int | None = None
    errors: list[str] = field(default_factory=list)

    @property
    def described_by(self) -> str:
        """The ids for aria-describedby: of the errors and of the hint."""
        ids = [f"{self.id}_error"] * bool(self.errors) + [f"{self.id}_hint"] * bool(self.hint or self.description)
        return " ".join(ids)

    @property
    def rows(self) -> int:
        """The rows of a textarea."""
        return max(MIN_ROWS, min(MAX_ROWS, self.value.count("\n") + 1))


def controls_of(
    body: serializers.Serializer[Any],
    values: Mapping[str, Any],
    examples: Mapping[str, OrganizationExample],
    id_prefix: str,
) -> list[Control]:
    """Return a control for each field of a body; ``id_prefix`` is the prefix of the ids of the form's elements."""
    found = []
    for name, declared in body.fields.items():
        if not declared.read_only:
            control = _control(name, declared, examples.get(name, OrganizationExample()))
            control.id = f"{id_prefix}-{name}"
            control.value = to_text(control.type, values.get(name))
            found.append(control)
    return found


def _control(name: str, declared: Any, example: OrganizationExample) -> Control:
    control_type = control_type_of(declared)
    control = Control(
        name,
        control_type,
        required=declared.required,
        description=str(declared.help_text or ""),
        suggestions=example.suggestions,
    )
    control.minimum = getattr(declared, "min_value", None)
    control.maximum = getattr(declared, "max_value", None)
    if control_type == ControlType.CHOICE:
        control.choices = [str(choice) for choice in declared.choices]
    elif control_type == ControlType.BOOLEAN:
        control.choices = ["true", "false"]
    control.hint = _hint(control, getattr(declared, "min_length", None), getattr(declared, "max_length", None))
    return control


def _hint(control: Control, min_length: int | None, max_length: int | None) -> str:
    """Return how the value is written, and its limits."""
    least, most = (min_length, max_length) if control.minimum is None else (control.minimum, control.maximum)
    limits = {"least": least, "most": most}
    if control.type == ControlType.JSON:
        return _("Written as JSON.")
    if control.type == ControlType.LIST:
        return _("One on each line, at most %(most)d.") % limits if most else _("One on each line.")
    if most is None:
        return ""
    if control.type == ControlType.INTEGER:
        return _("A whole number from %(least)d to %(most)d.") % limits
    return _("%(least)d to %(most)d characters.") % limits if least else _("At most %(most)d characters.") % limits


def to_text(control_type: ControlType, value: Any) -> str:
    """Return a JSON value as the text of a control."""
    if value is None:
        return ""
    if control_type == ControlType.LIST and isinstance(value, list):
        return "\n".join(map(str, value))
    if control_type == ControlType.BOOLEAN:
        return "true" if value else "false"
    if control_type == ControlType.JSON:
        return to_json(value, indent=2)
    return str(value)


def attach_errors(controls: Iterable[Control], fields: Mapping[str, Sequence[str]]) -> list[str]:
    """Attach errors to the controls of their fields, and return those without a control."""
    by_name = {control.name: control for control in controls}
    rest = []
    for name, texts in fields.items():
        first, _dot, inner = name.partition(".")
        for text in texts:
            if first in by_name:
                by_name[first].errors.append(f"{inner}: {text}" if inner else text)
            else:
                rest.append(text if name == "body" else f"{name}: {text}")
    return rest


def filter_controls(operation: Operation, given: Mapping[str, str]) -> list[Control]:
    """Return a control for each query parameter of an operation."""
    found = [_parameter(each.name, each.schema, each.text) for each in operation.parameters if each.where == "query"]
    if operation.paging:
        found.append(
            Control("limit", ControlType.INTEGER, hint=_("At most so many in a page, from 1 to 200; 50 unless given."))
        )
    if operation.paging == Paging.OFFSET:
        found.append(Control("offset", ControlType.INTEGER, hint=_("How many to pass over.")))
    for control in found:
        control.id, control.value = f"q-{control.name}", given.get(control.name, "")
    return found


def _parameter(name: str, schema: Mapping[str, Any], description: str) -> Control:
    choices = [str(word) for word in schema.get("enum", ()) if word is not None]
    if "enum" in schema:
        return Control(name, ControlType.CHOICE, choices=choices, description=description)
    is_integer = schema.get("type") == "integer"
    return Control(name, ControlType.INTEGER if is_integer else ControlType.TEXT, description=description)

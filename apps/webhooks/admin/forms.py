"""The operators' form of an event type, which validates the schema and the sample."""

from typing import Any, ClassVar

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from apps.base.errors import Invalid
from apps.base.rest.parsing import parse_json
from apps.base.rest.renderers import to_json
from apps.base.web.forms import PlainTextField
from apps.webhooks import actions
from apps.webhooks.models import EventType
from apps.webhooks.types.event_schemas import DIALECT
from apps.webhooks.types.schemas import check_data, check_schema

NEW_SCHEMA = {"$schema": DIALECT, "type": "object", "properties": {}, "required": []}


class JSONTextField(forms.JSONField):
    """JSON as strict as the API's, shown indented."""

    widget = forms.Textarea(attrs={"rows": 14, "cols": 80, "class": "vLargeTextField", "spellcheck": "false"})

    def to_python(self, value: Any) -> Any:
        """Parse JSON strictly, because Python's parser accepts NaN and repeated names."""
        if self.disabled or not isinstance(value, str):
            return value
        try:
            return parse_json(value.encode("utf-8", "surrogatepass"))
        except Invalid as error:
            raise forms.ValidationError(str(error)) from None

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return submitted text unparsed, even if it isn't JSON."""
        return initial if self.disabled else data

    def prepare_value(self, value: Any) -> Any:
        """Return submitted text unchanged, and a stored value as indented JSON."""
        return value if isinstance(value, str) else to_json(value, indent=2)


class EventTypeForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs alone
    """Create or edit an event type of the host product."""

    schema = JSONTextField(
        label=_("JSON schema of data"),
        help_text=_("Draft 2020-12. References may only point into the schema itself (#…). New events are held to it."),
    )
    sample = JSONTextField(
        label=_("Sample of data"), help_text=_("It must keep the schema. Test sends and the catalogue use it.")
    )
    replaced_by = forms.ChoiceField(label=_("Replaced by"), required=False)

    class Meta:
        model = EventType
        fields = ("name", "description", "schema", "sample", "is_deprecated", "deprecated_at", "replaced_by")
        field_classes: ClassVar[dict[str, Any]] = {"description": PlainTextField}
        help_texts: ClassVar[dict[str, Any]] = {
            "name": _("Lower-case words parted by dots, such as order.created. It cannot be changed afterwards."),
            "is_deprecated": _("It is still published and delivered; new subscriptions are led to its successor."),
            "deprecated_at": _("Empty: today."),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        if self.instance.pk is None:
            self.initial.setdefault("schema", NEW_SCHEMA)
        if "replaced_by" in self.fields:
            others = EventType.objects.exclude(pk=self.instance.pk).values_list("name", flat=True)
            choices = [("", _("nothing")), *((name, name) for name in others)]
            self.fields["replaced_by"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField has them

    def clean_name(self) -> str:
        name: str = self._checked("name", actions.check_event_name)
        return name

    def clean_schema(self) -> Any:
        """Reject an invalid schema, or one with external references."""
        return self._checked("schema", check_schema)

    def clean(self) -> dict[str, Any]:
        """Validate the sample against the schema, and the fields that only a deprecated type can have."""
        values = super().clean() or {}
        if "schema" in values and "sample" in values:
            probe = EventType(name=values.get("name") or self.instance.name, schema=values["schema"])
            try:
                check_data(probe, values["sample"])
            except Invalid as error:
                self.add_error("sample", [str(text) for text in (error.fields or {}).get("data", [error.message])])
        if values.get("is_deprecated"):
            values["deprecated_at"] = values.get("deprecated_at") or timezone.localdate()
        elif values.get("replaced_by") or values.get("deprecated_at"):
            self.add_error("is_deprecated", _("Only a deprecated type has a date and a successor."))
        self._check_successor(values)
        return values

    def _check_successor(self, values: dict[str, Any]) -> None:
        try:
            actions.check_successor(values.get("name") or self.instance.name, values.get("replaced_by") or "")
        except Invalid as refusal:
            self.add_error("replaced_by", str(refusal))

    def _checked(self, name: str, check: Any) -> Any:
        try:
            check(self.cleaned_data[name])
        except Invalid as error:
            raise forms.ValidationError(str(error)) from None
        return self.cleaned_data[name]

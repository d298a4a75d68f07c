"""Convert the forms of the browsable API to API requests.

HTML forms have two methods, texts, and no headers. So hidden fields name the real method, the Idempotency-Key and the
initial values, and texts are converted to JSON by the kinds of the body's fields. This is for sessions only: requests
with a key send JSON.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.exceptions import UnsupportedMediaType

from apps.base.errors import Forbidden, Invalid
from apps.base.requests import PortalRequest
from apps.base.rest.browsable.control_types import ControlType, control_type_of
from apps.base.rest.operations import Operation
from apps.base.rest.parsing import FormFields, NotJSON, parse_json
from apps.base.web.forms import is_recently_confirmed

FORM_TYPE = "application/x-www-form-urlencoded"
METHODS = ("PUT", "PATCH", "DELETE")
# Hidden fields: the fields of bodies have no leading underscore.
METHOD, IDEMPOTENCY_KEY, RAW_BODY, INITIAL = "_method", "_idempotency_key", "_json", "_before"
NOT_OF_THE_BODY = (METHOD, IDEMPOTENCY_KEY, INITIAL)
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,30}", re.ASCII)
READS = ("GET", "HEAD")
CONFIRM = "Your last confirmation is older than 15 minutes. Confirm that it is you, then send this once more."


def apply_hidden_fields(request: PortalRequest) -> None:
    """Set the method and the Idempotency-Key that a session's form names; call it after the CSRF check.

    Drops the empty parameters of a search form: browsers send every field.
    """
    if request.method in READS:
        _drop_empty_parameters(request)
    elif is_form(request):
        if request.POST.get(METHOD) in METHODS:
            request.method = request.POST[METHOD]
        elif request.POST.get(IDEMPOTENCY_KEY):
            request.META.setdefault("HTTP_IDEMPOTENCY_KEY", request.POST[IDEMPOTENCY_KEY])
            request.__dict__.pop("headers", None)  # cached from META


def is_form(request: PortalRequest) -> bool:
    """Return whether the request is an HTML form, whatever method it names."""
    return request.META["REQUEST_METHOD"] == "POST" and request.content_type == FORM_TYPE


def _drop_empty_parameters(request: PortalRequest) -> None:
    if "" not in request.GET.values():
        return
    query = request.GET.copy()
    for name in [name for name in query if not any(query.getlist(name))]:
        del query[name]
    request.GET = query  # type: ignore[assignment]  # a QueryDict, though mutable
    request.META["QUERY_STRING"] = query.urlencode()


def require_confirmation(request: PortalRequest, operation: Operation) -> None:
    """Raise Forbidden where the operation needs a recent confirmation of the session (``Operation.step_up``)."""
    if operation.step_up and not is_recently_confirmed(request):
        raise Forbidden(CONFIRM, "reauthentication_required")


def to_json_value(data: Any, body: type[serializers.Serializer[Any]]) -> Any:
    """Return the parsed body as a JSON value; a form's texts are converted.

    After the CSRF check DRF also has Django's parsed multipart forms, of which only empty ones are accepted.
    """
    if isinstance(data, QueryDict):
        if data:
            raise UnsupportedMediaType("multipart/form-data")
        return {}
    return _body_of(data, body()) if isinstance(data, FormFields) else data


def _body_of(fields: FormFields, body: serializers.Serializer[Any]) -> Any:
    """Return the JSON value of a form, or raise Invalid naming the fields that are not JSON.

    Leaves out optional fields that are empty, and fields with their initial value.
    """
    if RAW_BODY in fields:
        text = fields[RAW_BODY].strip()
        return parse_json(text.encode()) if text else {}
    initial = initial_texts(fields.get(INITIAL, ""))
    found: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for name, text in fields.items():
        if name in NOT_OF_THE_BODY or initial.get(name) == text:
            continue
        declared = body.fields.get(name)
        try:
            if declared is None:
                found[name] = text
            elif text.strip():
                found[name] = _value(control_type_of(declared), text)
            elif name in initial:
                found[name] = _empty_value(declared)
        except NotJSON as error:
            errors[name] = [str(error.message)]
    if errors:
        raise Invalid(" ".join(f"{name}: {texts[0]}" for name, texts in errors.items()), errors)
    return found


def initial_texts(text: str) -> Mapping[str, str]:
    """Return the initial texts of a form from its hidden field; a forged one only changes which fields are sent."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}


def _value(control_type: ControlType, text: str) -> Any:
    # Texts that cannot be converted stay as they are: the serializer reports the error.
    if control_type == ControlType.INTEGER and WHOLE_NUMBER.fullmatch(text.strip()):
        return int(text)
    if control_type == ControlType.BOOLEAN and text in ("true", "false"):
        return text == "true"
    if control_type == ControlType.LIST:
        return [line.strip() for line in text.split("\n") if line.strip()]
    if control_type == ControlType.JSON:
        return parse_json(text.encode())
    return text


def _empty_value(declared: serializers.Field[Any, Any, Any, Any]) -> Any:
    if control_type_of(declared) == ControlType.LIST:
        return []
    return None if declared.allow_null else ""

"""What a form of the browsable API sends, read as the API means it.

HTML knows two methods, texts, and no headers. So a form names its real method, its Idempotency-Key and the values that
it was filled with in hidden fields, and its texts become JSON by the kinds of the fields that the body has. Only a
session's form is read so: a key sends JSON, with the method itself.
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
from apps.base.rest.browsable.control_kinds import Kind, kind_of
from apps.base.rest.operations import Operation
from apps.base.rest.parsing import FormFields, NotJSON, parse_json
from apps.base.web.forms import is_recently_confirmed

FORM_TYPE = "application/x-www-form-urlencoded"
METHODS = ("PUT", "PATCH", "DELETE")
# Hidden fields. Names of bodies begin with a letter.
METHOD, ONCE, WHOLE_BODY, BEFORE = "_method", "_idempotency_key", "_json", "_before"
NOT_OF_THE_BODY = (METHOD, ONCE, BEFORE)
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,30}", re.ASCII)
READS = ("GET", "HEAD")
CONFIRM = "Your last confirmation is older than 15 minutes. Confirm that it is you, then send this once more."


def take_as_meant(request: PortalRequest) -> None:
    """Give the request of a session the method and header that its form names, once its token was checked.

    Of a form that searches, what was left empty is left out: a browser sends every field.
    """
    if request.method in READS:
        _drop_empty_parameters(request)
    elif is_form(request):
        if request.POST.get(METHOD) in METHODS:
            request.method = request.POST[METHOD]
        elif request.POST.get(ONCE):
            request.META.setdefault("HTTP_IDEMPOTENCY_KEY", request.POST[ONCE])
            request.__dict__.pop("headers", None)  # made of META, once


def is_form(request: PortalRequest) -> bool:
    """Tell whether a browser's form was sent, whatever method it names."""
    return request.META["REQUEST_METHOD"] == "POST" and request.content_type == FORM_TYPE


def _drop_empty_parameters(request: PortalRequest) -> None:
    if "" not in request.GET.values():
        return
    kept = request.GET.copy()
    for name in [name for name in kept if not any(kept.getlist(name))]:
        del kept[name]
    request.GET = kept  # type: ignore[assignment]  # as immutable a copy as the original was
    request.META["QUERY_STRING"] = kept.urlencode()


def require_confirmation(request: PortalRequest, operation: Operation) -> None:
    """Refuse a session that was confirmed too long ago for what the pages ask it for, too."""
    if operation.step_up and not is_recently_confirmed(request):
        raise Forbidden(CONFIRM, "reauthentication_required")


def json_of(data: Any, body: type[serializers.Serializer[Any]]) -> Any:
    """Return what was sent as JSON, a form's texts made into it.

    Once a session's token was looked for, DRF takes any kind of form from Django: of those only an empty one is read.
    """
    if isinstance(data, QueryDict):
        if data:
            raise UnsupportedMediaType("multipart/form-data")
        return {}
    return _body_of(data, body()) if isinstance(data, FormFields) else data


def _body_of(fields: FormFields, body: serializers.Serializer[Any]) -> Any:
    """Return the JSON value that a form stands for, or raise Invalid naming the fields that cannot be read.

    An optional field that is empty is left out, and so is one that still has the value that the form came with.
    """
    if WHOLE_BODY in fields:
        text = fields[WHOLE_BODY].strip()
        return parse_json(text.encode()) if text else {}
    before = texts_before(fields.get(BEFORE, ""))
    found: dict[str, Any] = {}
    errors: dict[str, list[str]] = {}
    for name, text in fields.items():
        if name in NOT_OF_THE_BODY or before.get(name) == text:
            continue
        declared = body.fields.get(name)
        try:
            if declared is None:
                found[name] = text
            elif text.strip():
                found[name] = _value(kind_of(declared), text)
            elif name in before:
                found[name] = _cleared(declared)
        except NotJSON as error:
            errors[name] = [str(error.message)]
    if errors:
        raise Invalid(" ".join(f"{name}: {texts[0]}" for name, texts in errors.items()), errors)
    return found


def texts_before(text: str) -> Mapping[str, str]:
    """Return the texts that the form came with, as it says itself: a lie changes only what is sent."""
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return {name: text for name, text in found.items() if isinstance(text, str)} if isinstance(found, dict) else {}


def _value(kind: Kind, text: str) -> Any:
    """What cannot be read stays text: the body says what it wants instead."""
    if kind == Kind.WHOLE and WHOLE_NUMBER.fullmatch(text.strip()):
        return int(text)
    if kind == Kind.FLAG and text in ("true", "false"):
        return text == "true"
    if kind == Kind.LIST:
        return [line.strip() for line in text.split("\n") if line.strip()]
    if kind == Kind.JSON:
        return parse_json(text.encode())
    return text


def _cleared(declared: serializers.Field[Any, Any, Any, Any]) -> Any:
    """What stands for nothing in a field that had a value."""
    if kind_of(declared) == Kind.LIST:
        return []
    return None if declared.allow_null else ""

"""Each operation declares what its view does: accepted bodies, valid examples, unique names."""

from typing import Any

import jsonschema_rs
import pytest

from apps.base.error_codes import ERROR_CODES
from apps.base.rest.operations import Operation
from apps.base.rest.serializers import ApiSerializer
from apps.base.rest.views import ANY_KEY, PortalView, serves
from integrations_portal.api_docs.openapi.components import SharedComponents
from integrations_portal.urls import documented
from tests.contract import closed

EVERY = [
    (route.callback.view_class, method, operation)  # type: ignore[attr-defined]
    for route in documented
    for method, operation in route.callback.view_class.operations.items()  # type: ignore[attr-defined]
]


def whole_schema(serializer: type[ApiSerializer]) -> dict[str, Any]:
    """Return the schema of a serializer with those that it refers to, without room for later versions."""
    shared = SharedComponents()
    return closed({**shared.add(serializer), "components": {"schemas": shared.schemas}})


def named(each: Any) -> str:
    """Return the id of a test case: its operation."""
    return each.id if isinstance(each, Operation) else str(each)


def test_names_are_unique() -> None:
    ids = [operation.id for _view, _method, operation in EVERY]
    assert len(ids) == len(set(ids)) > 50


@pytest.mark.parametrize("operation", [each[2] for each in EVERY], ids=named)
def test_examples_are_what_the_schemas_say(operation: Operation) -> None:
    for answer in operation.responses.values():
        if answer.serializer is not None:
            jsonschema_rs.validate(whole_schema(answer.serializer), answer.serializer.example())
    assert set(operation.error_codes) <= set(ERROR_CODES)
    for example in operation.more_examples.values():
        schemas = [whole_schema(answer.serializer) for answer in operation.responses.values() if answer.serializer]
        assert any(jsonschema_rs.is_valid(schema, example) for schema in schemas), example


@pytest.mark.parametrize(("view", "method", "operation"), EVERY, ids=named)
def test_a_body_is_told_where_one_is_read(view: type[PortalView], method: str, operation: Operation) -> None:
    assert hasattr(view, method.lower())
    assert (operation.body is None) == (method in ("GET", "DELETE"))
    if operation.body is not None:
        checker = operation.body(data=operation.body.example())
        assert checker.is_valid(), checker.errors
        assert jsonschema_rs.is_valid(whole_schema(operation.body), operation.body.example())


@pytest.mark.parametrize(("view", "method", "operation"), EVERY, ids=named)
def test_what_it_does_is_a_sentence(view: type[PortalView], method: str, operation: Operation) -> None:
    for text in (view.about, operation.summary):
        assert text[:1].isupper() and text.endswith(".")


@pytest.mark.parametrize(
    ("name", "says"), [("get", {}), ("post", {}), ("post", {"etag": True}), ("patch", {"idempotent": False})]
)
def test_a_method_says_what_is_done_around_it(name: str, says: dict[str, bool]) -> None:
    def method() -> None: ...

    method.__name__ = name
    with pytest.raises(TypeError, match="each get says etag, each post idempotent"):
        serves(EVERY[0][2], ANY_KEY, **says)(method)


def test_a_view_without_an_operation_does_not_load() -> None:
    with pytest.raises(TypeError, match="declares no operation"):

        class Silent(PortalView):
            """A view without declarations."""

            def get(self, request: Any) -> None:
                """Answer."""

"""A form for each write operation: filled in, with its errors, or with who has the permission instead."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from rest_framework import serializers

from apps.base.actor import Actor
from apps.base.requests import PortalRequest
from apps.base.rest.browsable.control_types import is_secret
from apps.base.rest.browsable.controls import Control, OrganizationExample, attach_errors, controls_of
from apps.base.rest.browsable.form_requests import INITIAL, RAW_BODY, initial_texts, is_form
from apps.base.rest.browsable.paths import Path, paths_below, with_organization
from apps.base.rest.operations import Operation
from apps.base.rest.parsing import NotJSON, parse_json
from apps.base.rest.renderers import to_json
from apps.base.web.forms import is_recently_confirmed

WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass
class OperationForm:
    """The form of one operation.

    ``missing_permission``: what ``permission_help`` returned; None where the reader has it. ``json``: the body
    as text. ``initial``: the initial values as JSON. ``must_confirm``: the reader must confirm their identity first.
    """

    method: str
    path: str
    action: str
    id: str
    text: str
    missing_permission: dict[str, Any] | None = None
    controls: list[Control] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    json: str = ""
    initial: str = ""
    idempotency_key: str = ""
    is_open: bool = False
    is_json: bool = False
    must_confirm: bool = False

    @property
    def has_body(self) -> bool:
        """Whether the form has controls."""
        return bool(self.controls)

    @property
    def is_wrong(self) -> bool:
        """Whether there are errors to correct."""
        return bool(self.errors or any(control.errors for control in self.controls))


@dataclass(frozen=True)
class PageState:
    """The page of the forms: its request, its path, and the response."""

    request: PortalRequest
    path: Path
    values: Mapping[str, str]
    status: int
    data: Any

    @property
    def slug(self) -> str:
        """The organization that the URL names."""
        return self.request.GET.get("organization", "")

    def was_sent(self, method: str, path: Path) -> bool:
        """Return whether the page responds to the form of this operation with an error.

        A form without a valid CSRF token can be forged and is never filled in again.
        """
        return (
            self.status >= 400
            and self.request.auth_result.refusal is None
            and (method, path.route) == (self.request.method, self.path.route)
            and is_form(self.request)
        )


def forms_on(state: PageState) -> list[OperationForm]:
    """Return the forms of a path, then those of the paths below it."""
    own = [_form(state, state.path, method) for method in WRITES if method in state.path.view.operations]
    return [*own, *(_form(state, path, method) for path, method in _operations_below(state))]


def _operations_below(state: PageState) -> Iterator[tuple[Path, str]]:
    for path in paths_below(state.path.route):
        for method in WRITES:
            if method in path.view.operations and "user" in path.view.callers:
                yield path, method


def reads_below(state: PageState) -> list[tuple[str, str]]:
    """Return the readable paths below a path, as pairs of last segment and path."""
    found = [path for path in paths_below(state.path.route) if path.is_readable]
    return [(path.route.rpartition("/")[2], with_organization(path.at(state.values), state.slug)) for path in found]


def describe_operation(view: Any, method: str) -> str:
    """Return the summary of an operation; of a method that the view does not have, the view's description."""
    return str(view.operations[method].summary if method in view.operations else view.about)


def permission_help(request: PortalRequest, view: Any, method: str) -> dict[str, Any] | None:
    """Return None for readers with the permission, else the role that has it ("": keys only) and its members."""
    actor: Actor | None = request.actor
    needed = view.operations[method].permissions
    if actor is not None and actor.kind in view.callers and (not needed or actor.usable(needed)):
        return None
    if "user" not in view.callers or getattr(request, "organization", None) is None:
        return {"role": "", "people": []}
    found: dict[str, Any] = import_string(settings.PORTAL_WHO_DECIDES)(request.organization, needed)
    return found


def _form(state: PageState, path: Path, method: str) -> OperationForm:
    operation: Operation = path.view.operations[method]
    text = path.at(state.values)
    form = OperationForm(
        method=method,
        path=text,
        action=with_organization(text, state.slug),
        id=operation.id,
        text=describe_operation(path.view, method),
        missing_permission=permission_help(state.request, path.view, method),
    )
    if form.missing_permission is not None:
        return form
    form.must_confirm = operation.step_up and not is_recently_confirmed(state.request)
    form.idempotency_key = secrets.token_hex(16) if operation.idempotent else ""
    form.is_open = state.status == 405 or state.was_sent(method, path)
    if operation.body is not None:
        _fill(form, state, operation, operation.body(), is_sent=state.was_sent(method, path))
    if state.was_sent(method, path):
        _add_errors(form, state)
    return form


def _fill(
    form: OperationForm, state: PageState, operation: Operation, body: serializers.Serializer[Any], *, is_sent: bool
) -> None:
    examples = own_examples(state.request.actor, operation.id)
    id_prefix = f"f-{operation.id}"
    secret_names = [str(name) for name, declared in body.fields.items() if is_secret(declared)]
    example = _example_values(operation, examples, secret_names)
    values = example if form.method == "POST" else _current_values(state, body)
    form.controls = controls_of(body, values, examples, id_prefix)
    form.json = to_json(example, indent=2)
    if form.method != "POST":
        form.initial = to_json({each.name: each.value for each in form.controls})
    if is_sent:
        _refill(form, state.request.POST, secret_names)


def _refill(form: OperationForm, sent: Mapping[str, str], secret_names: list[str]) -> None:
    form.is_json = RAW_BODY in sent
    if form.is_json:
        form.json = _refilled_json(sent[RAW_BODY], secret_names) or form.json
        return
    form.initial = sent.get(INITIAL, form.initial)
    initial = initial_texts(form.initial)
    for control in form.controls:
        is_known = control.name not in secret_names
        control.value = sent.get(control.name, "") if is_known else initial.get(control.name, "")


def _refilled_json(text: str, secret_names: list[str]) -> str:
    """Return the JSON text as it was typed, with blank secrets; empty where they cannot be told from the rest."""
    if not secret_names:
        return text
    try:
        whole = parse_json(text.encode())
    except NotJSON:
        return ""
    if not isinstance(whole, dict):
        return ""
    return to_json({name: _blank(value) if name in secret_names else value for name, value in whole.items()}, indent=2)


def _example_values(
    operation: Operation, examples: Mapping[str, OrganizationExample], secret_names: list[str]
) -> dict[str, Any]:
    """Return the operation's example with values of the organization, and blank secrets."""
    found = dict(operation.body.example() if operation.body else {})
    found |= {name: each.value for name, each in examples.items() if each.value is not None and name in found}
    return found | {name: _blank(found[name]) for name in secret_names if name in found}


def _blank(value: Any) -> Any:
    """Return a secret value without its texts; an object with a password loses only that."""
    if isinstance(value, list):
        return [_blank(inner) for inner in value]
    if isinstance(value, dict):
        return {name: "" if name == "password" or "password" not in value else text for name, text in value.items()}
    return ""


def _current_values(state: PageState, body: serializers.Serializer[Any]) -> dict[str, Any]:
    """Return the object's current values of the fields of the body."""
    if state.status != 200 or not isinstance(state.data, dict):
        return {}
    return {name: state.data[name] for name in map(str, body.fields) if name in state.data}


def _add_errors(form: OperationForm, state: PageState) -> None:
    problem = state.data if isinstance(state.data, dict) else {}
    fields = problem.get("fields", {})
    form.errors = attach_errors([] if form.is_json else form.controls, fields)
    if not fields:
        form.errors = [str(problem.get("error", ""))]


def own_examples(actor: Actor, operation_id: str) -> Mapping[str, OrganizationExample]:
    """Return examples of the actor's organization for the fields of an operation's body."""
    found: Mapping[str, OrganizationExample] = import_string(settings.PORTAL_OWN_EXAMPLES)(actor, operation_id)
    return found

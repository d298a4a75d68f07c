"""A form for each operation that changes something: filled, with what was wrong, or with who may do it instead."""

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string
from rest_framework import serializers

from apps.base.actor import Actor
from apps.base.requests import PortalRequest
from apps.base.rest.browsable.control_kinds import is_secret
from apps.base.rest.browsable.controls import Control, OrganizationExample, attach_errors, controls_of
from apps.base.rest.browsable.form_requests import BEFORE, WHOLE_BODY, is_form, texts_before
from apps.base.rest.browsable.paths import Path, below, with_organization
from apps.base.rest.operations import Operation
from apps.base.rest.parsing import NotJSON, parse_json
from apps.base.rest.renderers import to_json
from apps.base.web.forms import is_recently_confirmed

WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass
class OperationForm:
    """One operation as a page shows it. ``who``: the role that may, and who can give it, where the reader may not."""

    method: str
    path: str
    action: str
    id: str
    text: str
    who: dict[str, Any] | None = None
    controls: list[Control] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    raw: str = ""
    before: str = ""
    once: str = ""
    is_open: bool = False
    is_raw: bool = False
    asks_first: bool = False

    @property
    def has_body(self) -> bool:
        """Whether there is anything to fill in."""
        return bool(self.controls)

    @property
    def is_wrong(self) -> bool:
        """Whether something is to be corrected."""
        return bool(self.errors or any(control.errors for control in self.controls))


@dataclass(frozen=True)
class Here:
    """The page that forms stand on: its request, its path, and what was answered."""

    request: PortalRequest
    path: Path
    values: Mapping[str, str]
    status: int
    data: Any

    @property
    def slug(self) -> str:
        """The organization that the address names."""
        return self.request.GET.get("organization", "")

    def was_sent(self, method: str, path: Path) -> bool:
        """Tell whether the page answers the form of this operation with a refusal.

        What came without its token may be somebody else's doing: that is never filled in again.
        """
        return (
            self.status >= 400
            and self.request.caller.refusal is None
            and (method, path.route) == (self.request.method, self.path.route)
            and is_form(self.request)
        )


def forms_on(here: Here) -> list[OperationForm]:
    """Return the forms of a path, then those of what lies below it."""
    own = [_form(here, here.path, method) for method in WRITES if method in here.path.view.operations]
    return [*own, *(_form(here, path, method) for path, method in _below(here))]


def _below(here: Here) -> Iterator[tuple[Path, str]]:
    for path in below(here.path.route):
        for method in WRITES:
            if method in path.view.operations and "user" in path.view.callers:
                yield path, method


def reads_below(here: Here) -> list[tuple[str, str]]:
    """Return what can be read below a path: pairs of its last word and its path."""
    found = [path for path in below(here.path.route) if "GET" in path.view.operations and "user" in path.view.callers]
    return [(path.route.rpartition("/")[2], with_organization(path.at(here.values), here.slug)) for path in found]


def told(view: Any, method: str) -> str:
    """Return what an operation does, as the reference says it; of a method that is not served, the view."""
    return str(view.operations[method].summary if method in view.operations else view.about)


def who_may(request: PortalRequest, view: Any, method: str) -> dict[str, Any] | None:
    """Return None where the reader may, else the role that may (none: keys alone) and who can give it."""
    actor: Actor | None = request.actor
    needed = view.operations[method].needs
    if actor is not None and actor.kind in view.callers and (not needed or actor.can_any(needed)):
        return None
    if "user" not in view.callers or getattr(request, "organization", None) is None:
        return {"role": "", "people": []}
    found: dict[str, Any] = import_string(settings.PORTAL_WHO_DECIDES)(request.organization, needed)
    return found


def _form(here: Here, path: Path, method: str) -> OperationForm:
    operation: Operation = path.view.operations[method]
    text = path.at(here.values)
    form = OperationForm(
        method=method,
        path=text,
        action=with_organization(text, here.slug),
        id=operation.id,
        text=told(path.view, method),
        who=who_may(here.request, path.view, method),
    )
    if form.who is not None:
        return form
    form.asks_first = operation.step_up and not is_recently_confirmed(here.request)
    form.once = secrets.token_hex(16) if operation.idempotent else ""
    form.is_open = here.status == 405 or here.was_sent(method, path)
    if operation.body is not None:
        _fill(form, here, operation, operation.body(), is_sent=here.was_sent(method, path))
    if here.was_sent(method, path):
        _blame(form, here)
    return form


def _fill(
    form: OperationForm, here: Here, operation: Operation, body: serializers.Serializer[Any], *, is_sent: bool
) -> None:
    own = own_examples(here.request.actor, operation.id)
    at = f"f-{operation.id}"
    secret_names = [str(name) for name, declared in body.fields.items() if is_secret(declared)]
    example = _example(operation, own, secret_names)
    values = example if form.method == "POST" else _present(here, body)
    form.controls = controls_of(body, values, own, at)
    form.raw = to_json(example, indent=2)
    if form.method != "POST":
        form.before = to_json({each.name: each.value for each in form.controls})
    if is_sent:
        _fill_again(form, here.request.POST, secret_names)


def _fill_again(form: OperationForm, sent: Mapping[str, str], secret_names: list[str]) -> None:
    form.is_raw = WHOLE_BODY in sent
    if form.is_raw:
        form.raw = _raw_again(sent[WHOLE_BODY], secret_names) or form.raw
        return
    form.before = sent.get(BEFORE, form.before)
    before = texts_before(form.before)
    for control in form.controls:
        is_known = control.name not in secret_names
        control.value = sent.get(control.name, "") if is_known else before.get(control.name, "")


def _raw_again(text: str, secret_names: list[str]) -> str:
    """The body as it was typed, without secrets; nothing where they cannot be told from the rest."""
    if not secret_names:
        return text
    try:
        whole = parse_json(text.encode())
    except NotJSON:
        return ""
    if not isinstance(whole, dict):
        return ""
    return to_json({name: _blank(value) if name in secret_names else value for name, value in whole.items()}, indent=2)


def _example(operation: Operation, own: Mapping[str, OrganizationExample], secret_names: list[str]) -> dict[str, Any]:
    """The example of the operation with what the organization really has; never a password that somebody would keep."""
    found = dict(operation.example or {})
    found |= {name: each.value for name, each in own.items() if each.value is not None and name in found}
    return found | {name: _blank(found[name]) for name in secret_names if name in found}


def _blank(value: Any) -> Any:
    """A secret value without its texts; of people with a password, without that."""
    if isinstance(value, list):
        return [_blank(inner) for inner in value]
    if isinstance(value, dict):
        return {name: "" if name == "password" or "password" not in value else text for name, text in value.items()}
    return ""


def _present(here: Here, body: serializers.Serializer[Any]) -> dict[str, Any]:
    """What the object holds now of what can be changed."""
    if here.status != 200 or not isinstance(here.data, dict):
        return {}
    return {name: here.data[name] for name in map(str, body.fields) if name in here.data}


def _blame(form: OperationForm, here: Here) -> None:
    problem = here.data if isinstance(here.data, dict) else {}
    fields = problem.get("fields", {})
    form.errors = attach_errors([] if form.is_raw else form.controls, fields)
    if not fields:
        form.errors = [str(problem.get("error", ""))]


def own_examples(actor: Actor, operation_id: str) -> Mapping[str, OrganizationExample]:
    """Return what the actor's organization would put into the fields of an operation's body."""
    found: Mapping[str, OrganizationExample] = import_string(settings.PORTAL_OWN_EXAMPLES)(actor, operation_id)
    return found

"""No body sets what it may not: every field of every model, and the favourites, sent to every route (promise 16).

The routes come from the URLconf and each one's body from the serializer that it asks for, so that a new route is in it
without a line here; only where an empty body is refused a good one is named in GOOD.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from rest_framework import serializers

from apps.base.requests import ApiRequest
from apps.base.rest.views import PortalView
from apps.orgs.models import Membership, Organization, Role, User
from tests.conftest import Api, Key
from tests.conventions.conftest import NO_PATH, Samples
from tests.conventions.routes import Route, routes_for
from tests.engines import DATA

pytestmark = pytest.mark.django_db

PERSON = {"name": "Jo", "email": "jo@example.com", "password": "password1"}
EVENT = {"type": "order.created", "data": DATA}
# A body that is taken, by the name of the route: where something is required, or nothing is refused as no change.
GOOD: dict[str, dict[str, Any]] = {
    "api-users": PERSON,
    "api-users-batch": {"users": [PERSON]},
    "api-user": {"name": "Vera again"},
    "api-invitations": {"email": "jo@example.com", "role": "viewer"},
    "api-api-keys": {"name": "Made", "type": "partner", "scopes": ["users:read"], "limits": {"minute": 5}},
    "api-api-key": {"name": "Renamed"},
    "api-api-keys-verify": {"key": "ipk_nobody"},
    "api-leaked-keys": {"key": "ipk_nobody"},
    "api-descendants-end": {"of": "user_01JD2V8Q4ZK7M3X9T5B6CW"},
    "api-webhook-endpoints": {"url": "https://hooks.acme.example/two", "event_types": ["order.*"]},
    "api-sdk-keys": {"name": "Made", "platform": "ios", "app_id": "com.acme.two"},
    "api-sdk-key": {"name": "Renamed"},
    "api-events": EVENT,
    "api-events-batch": {"events": [EVENT]},
}
FAVOURITES = (
    "id", "pk", "uuid", "public_id", "org", "org_id", "organization", "organization_id", "tenant", "user", "user_id",
    "owner", "owner_id", "created_by", "created_by_id", "created_at", "updated_at", "secret", "key", "key_id", "digest",
    "pepper_id", "last_four", "mask", "budget_id", "status", "revoked_at", "disabled_at", "is_staff", "is_superuser",
    "is_admin", "is_active", "admin", "role", "roles", "permissions", "groups", "user_permissions", "verified",
    "email_verified", "password_hash", "password_is_provisional", "session_epoch", "replaces", "replaced_by",
    "subject_id", "test", "publisher", "client_id", "origin", "match_count", "health", "__class__", "__proto__",
    "constructor", "_state", "$set",
)  # fmt: skip
# Tried one by one as well: what would hurt most.
WORST = ("id", "org_id", "organization_id", "created_by", "secret", "is_staff", "is_superuser", "role", "permissions")
# Of a row that is there, no body changes these.
FIXED = {
    "id", "organization_id", "is_staff", "is_superuser", "role", "key_id", "digest", "pepper_id", "budget_id",
    "subject", "key_type_id", "created_by_kind", "created_by_id", "created_by_label", "created_at", "body", "type",
    "publisher",
}  # fmt: skip
# What a call leaves of itself whatever it asks for.
TRACES = ("sessions.Session", "usersessions.UserSession", "base.SpentForm")

Rows = dict[tuple[str, str], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A route of the API and one of its methods that take a body."""

    route: Route
    method: str

    def __str__(self) -> str:
        return f"{self.route.name} {self.method}"


CASES = [
    Case(route, method)
    for route in routes_for("api")
    if route.name not in NO_PATH
    for method in route.methods
    if method in ("POST", "PUT", "PATCH")
]
FORMS = [route for route in routes_for("page") if "POST" in route.methods]
EACH = pytest.mark.parametrize("case", CASES, ids=str)


def everything() -> Rows:
    """Return every row but the traces of calls."""
    found = {}
    for model in apps.get_models():
        is_entry = model._meta.label == "audit.AuditEntry"
        if model._meta.label in TRACES or (model._meta.app_label == "audit" and not is_entry):
            continue
        for row in model._base_manager.values():
            found[model._meta.label, str(row[model._meta.pk.attname])] = row
    return found


def names_of_models() -> set[str]:
    """Return the name of every field of every model, with and without ``_id``."""
    fields = [field for model in apps.get_models() for field in model._meta.get_fields()]
    return {name for field in fields for name in (field.name, getattr(field, "attname", field.name))}


def send(case: Case, samples: Samples, key: Key, body: Any, query: str = "") -> Any:
    path = case.route.at(**samples.real(case.route)) + query
    return getattr(Api(key), case.method.lower())(path, body)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[type[serializers.Serializer]]:
    """The serializers that views ask for, in turn."""
    found: list[type[serializers.Serializer]] = []
    validated = PortalView.validated

    def watched(view: PortalView, request: ApiRequest, serializer: Any, *arguments: Any, **options: Any) -> Any:
        found.append(serializer)
        return validated(view, request, serializer, *arguments, **options)

    monkeypatch.setattr(PortalView, "validated", watched)
    return found


@pytest.fixture
def body_of(asked: list[type[serializers.Serializer]], samples: Samples, admin_key: Key) -> Any:
    """Finds the serializer of a route's body, and a good body."""

    def find(case: Case) -> tuple[serializers.Serializer, dict[str, Any]]:
        with transaction.atomic():
            send(case, samples, admin_key, GOOD.get(case.route.name, {}))
            transaction.set_rollback(True)
        assert asked, f"{case} reads its body without a serializer"
        serializer = asked[0]()
        is_needed = any(field.required for field in serializer.fields.values())
        if is_needed and case.route.name not in GOOD:
            pytest.fail(f"add a good body for {case} to GOOD")
        return serializer, GOOD.get(case.route.name, {})

    return find


def hostile(serializer: serializers.Serializer, rival: Organization) -> dict[str, Any]:
    """Return every name that the body does not have, with a value that somebody would like."""
    values: dict[str, Any] = dict.fromkeys({*names_of_models(), *FAVOURITES}, True)
    for name in values:
        if "org" in name or "tenant" in name:
            values[name] = str(rival.pk)
        elif name.startswith("role"):
            values[name] = "owner"
        elif name == "id" or name.endswith("_id"):
            values[name] = str(uuid.uuid4())
    return {name: value for name, value in values.items() if name not in serializer.fields}


def nested(
    serializer: serializers.Serializer, body: dict[str, Any], rival: Organization
) -> Iterator[tuple[dict[str, Any], set[str]]]:
    """Return the good body once for each inner object, with hostile names in it, and what they are called."""
    for name, field in serializer.fields.items():
        inner = field if isinstance(field, serializers.Serializer) else getattr(field, "child", None)
        if not isinstance(inner, serializers.Serializer):
            continue
        bad, is_list = hostile(inner, rival), inner is not field
        good = body[name][0] if is_list else body.get(name, {})
        changed = {**good, **bad}
        yield {**body, name: [changed] if is_list else changed}, {f"{name}.{'0.' * is_list}{each}" for each in bad}


@EACH
def test_what_a_body_does_not_have_is_refused_by_name(case, body_of, samples, admin_key, rival):
    serializer, body = body_of(case)
    bad = hostile(serializer, rival)
    before = everything()
    answer = send(case, samples, admin_key, {**body, **bad})
    assert answer.status_code == 400
    assert set(bad) - set(answer.json()["fields"]) == set()
    for name in WORST:
        if name in bad:
            answer = send(case, samples, admin_key, {**body, name: bad[name]})
            assert (answer.status_code, list(answer.json()["fields"])) == (400, [name])
    for inner, names in nested(serializer, body, rival):
        answer = send(case, samples, admin_key, inner)
        assert (answer.status_code, names - set(answer.json()["fields"])) == (400, set())
    assert everything() == before


@EACH
def test_a_good_body_changes_what_it_says_and_no_more(case, body_of, samples, admin_key, acme, rival, zed):
    serializer, body = body_of(case)
    query = "?" + "&".join(f"{name}={value}" for name, value in hostile(serializer, rival).items() if name in WORST)
    before = everything()
    assert send(case, samples, admin_key, body, query).status_code == 400 and everything() == before
    answer = send(case, samples, admin_key, body)
    is_good = answer.status_code < 300 or answer.status_code == 409
    assert is_good, f"add a good body for {case} to GOOD: {answer.json()}"
    check(before, everything(), acme, rival)


def check(before: Rows, after: Rows, acme: Organization, rival: Organization) -> None:
    """Compare: what is fixed is as it was, Rival's too, and what is new belongs to Acme without rights."""
    for place, row in before.items():
        then = after.get(place)
        if then is None:
            continue
        changed = {name for name, value in row.items() if then[name] != value}
        assert changed & FIXED == set(), place
        assert not changed or row.get("organization_id") != rival.pk, place
    for (label, pk), row in after.items():
        if (label, pk) in before:
            continue
        assert row.get("organization_id", acme.pk) == acme.pk, label
        assert not row.get("is_staff") and not row.get("is_superuser"), label
        assert row.get("role", Role.VIEWER) == Role.VIEWER, label


def test_each_user_of_a_batch_is_judged_alone(samples, admin_key, rival):
    from apps.orgs.serializers import CreateUserBody

    bad = hostile(CreateUserBody(), rival)
    before = everything()
    answer = Api(admin_key).post("/v1/users/batch", {"users": [{**PERSON, name: bad[name]} for name in WORST]})
    results = answer.json()["results"]
    assert [(each["status"], list(each["fields"])) for each in results] == [(400, [name]) for name in WORST]
    assert everything() == before


@pytest.mark.parametrize("route", FORMS, ids=lambda route: route.name)
def test_a_form_sets_nothing_beside_its_fields(route, samples, ada, browser_of, acme, rival, zed):
    """Forms leave out what they do not know; whatever the page then does, nothing that is fixed moves."""
    values: dict[str, str] = {name: "true" for name in {*names_of_models(), *FAVOURITES} if name.isidentifier()}
    values |= {name: str(rival.pk) for name in values if "org" in name} | {"role": "owner", "is_staff": "on"}
    browser = browser_of(ada)
    before = everything()
    answer = browser.post(route.at(slug="acme", **samples.real(route)), values)
    assert answer.status_code < 500
    check(before, everything(), acme, rival)
    assert not User.objects.filter(is_staff=True).exists()
    assert Membership.objects.filter(organization=acme).count() == 2


def test_the_comparison_notices(samples, acme, rival, vera):
    before = everything()
    User.objects.filter(pk=vera.pk).update(is_staff=True)
    with pytest.raises(AssertionError):
        check(before, everything(), acme, rival)


def test_there_is_something_to_send():
    assert len(CASES) >= 12
    assert {"digest", "organization_id", "is_superuser", "password"} <= names_of_models()

"""People and keys as actors, and the request that a call is recorded from."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction
from django.test import RequestFactory

from apps.audit.actions import record
from apps.audit.calls import group_commit
from apps.base.actor import Actor, ActorKind
from apps.base.identifiers import encode, new_uuid
from apps.base.permissions import Permission
from apps.base.rest.request_identity import AuthResult
from apps.orgs.models import Organization

READS = frozenset({str(Permission.AUDIT_READ)})


def person(organization: Organization | None, label: str = "Ada", **values: Any) -> Actor:
    pk = new_uuid()
    return Actor(
        kind=ActorKind.USER,
        id=encode("user", pk),
        label=label,
        organization_id=organization.pk if organization else None,
        permissions=READS,
        address="203.0.113.24",
        user_agent="Browser/1",
        request_id="request-12345678",
        pk=pk,
        **values,
    )


def key_actor(organization: Organization, label: str = "Sync") -> Actor:
    pk = new_uuid()
    return Actor(ActorKind.API_KEY, encode("key", pk), label, organization.pk, permissions=READS, pk=pk)


def credential_of(actor: Actor) -> SimpleNamespace:
    return SimpleNamespace(
        pk=actor.pk, organization_id=actor.organization_id, kind=actor.kind, public_id=actor.id, name=actor.label
    )


def make_request(path: str = "/v1/users", method: str = "GET", address: str = "203.0.113.9", **headers: str) -> Any:
    request = RequestFactory().generic(method, path, headers={"User-Agent": "curl/8", **headers})
    request.request_id = "request-87654321"
    request.client_address = address
    request.actor = None
    request.scopes_used, request.uses = (), []
    return request


def call_arguments(caller: AuthResult, **changed: Any) -> dict[str, Any]:
    values = {"request": make_request(), "auth_result": caller, "route": "/v1/users", "status": 200, "code": ""}
    return {**values, "duration_ms": 1.5, **changed}


def change(actor: Actor, action: str = "api_key.created", target_id: str = "key_x", **values: Any) -> Any:
    with transaction.atomic():
        return record(actor=actor, action=action, target_kind="api_key", target_id=target_id, **values)


@pytest.fixture
def organization(acme: Organization) -> Organization:
    return acme


@pytest.fixture
def other(rival: Organization) -> Organization:
    return rival


@pytest.fixture
def writer() -> Iterator[None]:
    """The group commit's own thread, ended before the test's database is emptied."""
    yield
    group_commit.stop()

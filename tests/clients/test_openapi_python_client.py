"""The client that openapi-python-client makes, used against a running portal: each answer is an object."""

import uuid
from http import HTTPStatus
from typing import Any

import pytest

from tests.clients.conftest import Generated, Keys

pytestmark = [pytest.mark.clients, pytest.mark.pure]


@pytest.fixture(autouse=True)
def _generated(portal_client: Generated) -> None:
    """The package can be imported in each test."""


@pytest.fixture
def as_key(url: str) -> Any:
    from portal_client import AuthenticatedClient

    return lambda key: AuthenticatedClient(base_url=url, token=key)


@pytest.fixture
def client(as_key: Any, keys: Keys) -> Any:
    return as_key(keys.admin)


def answer(response: Any, status: int = 200) -> Any:
    """Return the object of an answer that has this status."""
    assert response.status_code == HTTPStatus(status), response.content
    return response.parsed


def make_api_key(client: Any, name: str = "Nightly export") -> Any:
    from portal_client.api.api_keys import create_api_key
    from portal_client.models import CreateApiKeyBody

    body = CreateApiKeyBody(name=name, type_="partner", scopes=["users:read"], expires_in_days=30)
    return answer(create_api_key.sync_detailed(client=client, body=body), 201)


def test_the_calling_key(client: Any) -> None:
    from portal_client.api.account import get_me
    from portal_client.models import Me

    me = answer(get_me.sync_detailed(client=client))
    assert isinstance(me, Me)
    assert (me.organization.slug, me.key.type_, me.key.scopes) == ("acme", "internal", ["admin"])


def test_an_api_key_from_creation_to_its_end(client: Any, as_key: Any, keys: Keys) -> None:
    from portal_client.api.api_keys import (
        disable_api_key,
        enable_api_key,
        get_api_key,
        list_api_keys,
        revoke_api_key,
        rotate_api_key,
        update_api_key,
        verify_api_key,
    )
    from portal_client.models import ReasonBody, RotateKeyBody, UpdateApiKeyBody, VerifyApiKeyBody

    made = make_api_key(client)
    assert made.key.startswith("ipk_") and made.status == "active" and made.created_by.kind == "api_key"
    read = answer(get_api_key.sync_detailed(made.id, client=client))
    assert not hasattr(read, "key") and "key" not in read.additional_properties
    assert (read.id, read.mask, read.expires_at) == (made.id, made.mask, made.expires_at)
    assert made.id in [each.id for each in answer(list_api_keys.sync_detailed(client=client, type_=["partner"]))]

    body = UpdateApiKeyBody(name="Hourly export")
    assert answer(update_api_key.sync_detailed(made.id, client=client, body=body)).name == "Hourly export"

    def verdict(key: str) -> tuple[bool, str]:
        asked = VerifyApiKeyBody(key=key, scopes=["users:read"])
        told = answer(verify_api_key.sync_detailed(client=as_key(keys.platform), body=asked))
        return told.valid, told.code

    off = answer(disable_api_key.sync_detailed(made.id, client=client, body=ReasonBody(reason="Not needed at night")))
    assert off.status == "disabled" and verdict(made.key) == (False, "disabled_api_key")
    # No body is documented, and none is sent.
    assert answer(enable_api_key.sync_detailed(made.id, client=client)).status == "active"

    rotated = answer(rotate_api_key.sync_detailed(made.id, client=client, body=RotateKeyBody(overlap_seconds=600)), 201)
    assert rotated.replaces == made.id and rotated.key != made.key
    assert verdict(made.key) == verdict(rotated.key) == (True, "valid")

    ended = answer(revoke_api_key.sync_detailed(rotated.id, client=client))
    assert ended.status == "revoked" and verdict(rotated.key) == (False, "revoked_api_key")


def test_an_sdk_key_and_a_device(client: Any, as_key: Any) -> None:
    from portal_client.api.apps import activate_device, deactivate_own_activation, record_heartbeat
    from portal_client.api.sdk_keys import create_sdk_key, list_activations
    from portal_client.models import ActivateDeviceBody, CreateSdkKeyBody, HeartbeatBody

    body = CreateSdkKeyBody(name="Field app", platform="ios", app_id="com.acme.app", activation_limit=5)
    made = answer(create_sdk_key.sync_detailed(client=client, body=body), 201)
    assert made.key.startswith("ips_") and (made.activation_limit, made.active_count) == (5, 0)
    app = as_key(made.key)
    device = ActivateDeviceBody(device_id="8f14e45f-ceea-467f", app_id="com.acme.app", app_version="4.2.0")
    place = answer(activate_device.sync_detailed(client=app, body=device), 201)
    own = {"client": app, "x_activation_token": place.token}
    beat = record_heartbeat.sync_detailed(place.id, body=HeartbeatBody(app_version="4.2.1"), **own)
    assert answer(beat).id == place.id
    (listed,) = answer(list_activations.sync_detailed(made.id, client=client))
    assert (listed.id, listed.status, listed.app_version) == (place.id, "active", "4.2.1")
    answer(deactivate_own_activation.sync_detailed(place.id, **own), 204)


def test_an_endpoint_and_events(client: Any) -> None:
    from portal_client.api.deliveries import list_deliveries
    from portal_client.api.event_types import get_event_type, list_event_types
    from portal_client.api.events import get_event, list_events, publish_event, publish_events
    from portal_client.api.webhook_endpoints import (
        create_webhook_endpoint,
        delete_webhook_endpoint,
        pause_webhook_endpoint,
        rotate_webhook_secret,
    )
    from portal_client.models import (
        CreateWebhookEndpointBody,
        PublishEventBody,
        PublishEventBodyData,
        PublishEventsBody,
        RotateWebhookSecretBody,
    )

    body = CreateWebhookEndpointBody(url="http://127.0.0.1:9000/hook", event_types=["order.*"])
    made = answer(create_webhook_endpoint.sync_detailed(client=client, body=body), 201)
    assert made.secret.startswith("whsec_") and made.event_types == ["order.*"]
    new = RotateWebhookSecretBody(overlap_seconds=600)
    rotated = answer(rotate_webhook_secret.sync_detailed(made.id, client=client, body=new))
    assert rotated.secret.startswith("whsec_") and rotated.secret != made.secret

    def event(number: int) -> Any:
        data = PublishEventBodyData.from_dict({"order_id": f"ORD-{number}", "status": "placed"})
        return PublishEventBody(type_="order.created", data=data)

    accepted = answer(publish_event.sync_detailed(client=client, body=event(1)), 202)
    assert (accepted.type_, accepted.deliveries) == ("order.created", 1)
    batch = answer(publish_events.sync_detailed(client=client, body=PublishEventsBody([event(2), event(3)])), 202)
    assert len(batch.events) == 2 and batch.deliveries == 2
    assert answer(get_event.sync_detailed(accepted.id, client=client)).data["order_id"] == "ORD-1"
    listed = answer(list_events.sync_detailed(client=client, type_=["order.created"], limit=2))
    assert {each.id for each in listed} <= {each.id for each in batch.events} and len(listed) == 2
    waiting = answer(list_deliveries.sync_detailed(client=client, event=accepted.id))
    assert [(each.endpoint.id, each.event.id) for each in waiting] == [(made.id, accepted.id)]

    assert "order.created" in [each.name for each in answer(list_event_types.sync_detailed(client=client))]
    assert answer(get_event_type.sync_detailed("order.created", client=client)).schema["type"] == "object"
    assert answer(pause_webhook_endpoint.sync_detailed(made.id, client=client)).status == "paused"
    answer(delete_webhook_endpoint.sync_detailed(made.id, client=client), 204)


def test_users_usage_and_the_audit_log(client: Any) -> None:
    from portal_client.api.audit_log import list_audit_log
    from portal_client.api.usage import get_usage
    from portal_client.api.users import create_user, create_users, delete_user, list_users
    from portal_client.models import CreateUserBody, CreateUsersBody

    def user(name: str) -> Any:
        return CreateUserBody(name=name, email=f"{uuid.uuid4().hex}@acme.example", password="correct horse battery")

    made = answer(create_user.sync_detailed(client=client, body=user("Jo Martin")), 201)
    assert [each.name for each in answer(list_users.sync_detailed(client=client, email=made.email))] == ["Jo Martin"]
    batch = CreateUsersBody([user("Kim Lee"), CreateUserBody(name="", email="nothing", password="short")])
    results = answer(create_users.sync_detailed(client=client, body=batch), 207).results
    assert [each.status for each in results] == [201, 400] and results[0].user.name == "Kim Lee"
    answer(delete_user.sync_detailed(made.id, client=client), 204)

    usage = answer(get_usage.sync_detailed(client=client))
    assert usage.total >= 4 and usage.by_status.field_2xx >= 4
    entry = answer(list_audit_log.sync_detailed(client=client, limit=1))[0]
    assert entry.actor.kind == "api_key" and entry.request_id


def test_the_same_key_again_is_the_same_answer(client: Any) -> None:
    from portal_client.api.events import publish_event
    from portal_client.models import PublishEventBody, PublishEventBodyData

    data = PublishEventBodyData.from_dict({"order_id": "ORD-4", "status": "placed"})
    sent = {"body": PublishEventBody(type_="order.created", data=data), "idempotency_key": uuid.uuid4().hex}
    ids = {answer(publish_event.sync_detailed(client=client, **sent), 202).id for _ in range(2)}
    assert len(ids) == 1


def test_errors_are_objects(client: Any, as_key: Any, keys: Keys) -> None:
    from portal_client.api.account import get_me
    from portal_client.api.api_keys import create_api_key
    from portal_client.api.events import publish_event
    from portal_client.api.users import get_user, list_users
    from portal_client.models import (
        CreateApiKeyBody,
        CreateApiKeyBodyLimitsType0,
        ErrorResponse,
        PublishEventBody,
        PublishEventBodyData,
    )

    def refused(response: Any, status: int) -> Any:
        told = answer(response, status)
        assert isinstance(told, ErrorResponse) and told.request_id and told.docs.endswith(f"#{told.code}")
        return told

    body = CreateApiKeyBody(name="Nightly export", type_="partner", scopes=["users:read"])
    wrong = as_key("ipk_" + "0" * 50)
    assert refused(get_me.sync_detailed(client=wrong), 401).code == "invalid_api_key"
    without = create_api_key.sync_detailed(client=as_key(keys.reader), body=body)
    assert refused(without, 403).code == "insufficient_scope"
    assert refused(get_user.sync_detailed("user_" + "0" * 22, client=client), 404).code == "not_found"
    body.limits = CreateApiKeyBodyLimitsType0(minute=2)
    limited = answer(create_api_key.sync_detailed(client=client, body=body), 201)
    assert limited.limits.minute == 2
    calls = [list_users.sync_detailed(client=as_key(limited.key)) for _ in range(3)]
    assert refused(calls[-1], 429).code == "rate_limited" and int(calls[-1].headers["Retry-After"]) > 0
    body.scopes = ["nothing:read"]
    told = refused(create_api_key.sync_detailed(client=client, body=body), 400)
    assert told.code == "invalid_request" and told.fields["scopes"]

    def event(status: str) -> Any:
        data = PublishEventBodyData.from_dict({"order_id": "ORD-5", "status": status})
        return PublishEventBody(type_="order.created", id="order-5-placed", data=data)

    answer(publish_event.sync_detailed(client=client, body=event("placed")), 202)
    assert refused(publish_event.sync_detailed(client=client, body=event("paid")), 409).code == "conflict"

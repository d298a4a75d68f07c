"""The client that openapi-generator makes in Python, used against a running portal: the same calls, its own way."""

import uuid
from typing import Any

import pytest

from tests.clients.conftest import Generated, Keys

pytestmark = [pytest.mark.clients, pytest.mark.pure]


@pytest.fixture(autouse=True)
def _generated(openapi_client: Generated) -> None:
    """The package can be imported in each test."""


@pytest.fixture
def as_key(url: str) -> Any:
    import openapi_client

    def made(key: str) -> Any:
        # Otherwise a call that is told 429 waits as long as Retry-After says, and is made again.
        return openapi_client.ApiClient(openapi_client.Configuration(host=url, access_token=key, retries=False))

    return made


@pytest.fixture
def client(as_key: Any, keys: Keys) -> Any:
    return as_key(keys.admin)


def make_api_key(client: Any, **more: Any) -> Any:
    from openapi_client import APIKeysApi, CreateApiKeyBody

    values = {"name": "Nightly export", "type": "partner", "scopes": ["users:read"], **more}
    return APIKeysApi(client).create_api_key(CreateApiKeyBody(**values))


def test_the_calling_key(client: Any) -> None:
    from openapi_client import AccountApi, Me

    me = AccountApi(client).get_me()
    assert isinstance(me, Me)
    assert (me.organization.slug, me.key.type, me.key.scopes) == ("acme", "internal", ["admin"])


def test_an_api_key_from_creation_to_its_end(client: Any, as_key: Any, keys: Keys) -> None:
    from openapi_client import APIKeysApi, ReasonBody, RotateKeyBody, UpdateApiKeyBody, VerifyApiKeyBody

    api, gateway = APIKeysApi(client), APIKeysApi(as_key(keys.platform))
    made = make_api_key(client, expires_in_days=30)
    assert made.key.startswith("ipk_") and made.status == "active" and made.created_by.kind == "api_key"
    read = api.get_api_key(made.id)
    assert not hasattr(read, "key")
    assert (read.id, read.mask, read.expires_at) == (made.id, made.mask, made.expires_at)
    assert made.id in [each.id for each in api.list_api_keys(type=["partner"])]
    assert api.update_api_key(made.id, UpdateApiKeyBody(name="Hourly export")).name == "Hourly export"

    def verdict(key: str) -> tuple[bool, str]:
        told = gateway.verify_api_key(VerifyApiKeyBody(key=key, scopes=["users:read"]))
        return told.valid, told.code

    assert api.disable_api_key(made.id, reason_body=ReasonBody(reason="Not needed at night")).status == "disabled"
    assert verdict(made.key) == (False, "disabled_api_key")
    # No body is documented, and none is sent.
    assert api.enable_api_key(made.id).status == "active"
    rotated = api.rotate_api_key(made.id, rotate_key_body=RotateKeyBody(overlap_seconds=600))
    assert rotated.replaces == made.id and rotated.key != made.key
    assert verdict(made.key) == verdict(rotated.key) == (True, "valid")
    assert api.revoke_api_key(rotated.id).status == "revoked"
    assert verdict(rotated.key) == (False, "revoked_api_key")


def test_an_sdk_key_and_a_device(client: Any, as_key: Any) -> None:
    from openapi_client import (
        ActivateDeviceBody,
        ActivateDeviceBodyAppVersion,
        AppsApi,
        CreateSdkKeyBody,
        SDKKeysApi,
    )

    sdk_keys = SDKKeysApi(client)
    body = CreateSdkKeyBody(name="Field app", platform="ios", app_id="com.acme.app", activation_limit=5)
    made = sdk_keys.create_sdk_key(body)
    assert made.key.startswith("ips_") and (made.activation_limit, made.active_count) == (5, 0)
    apps = AppsApi(as_key(made.key))
    version = ActivateDeviceBodyAppVersion("4.2.0")
    device = ActivateDeviceBody(device_id="8f14e45f-ceea-467f", app_id="com.acme.app", app_version=version)
    place = apps.activate_device(device)
    assert apps.record_heartbeat(place.id, x_activation_token=place.token).id == place.id
    (listed,) = sdk_keys.list_activations(made.id)
    assert (listed.id, listed.status, listed.app_version) == (place.id, "active", "4.2.0")
    assert apps.deactivate_own_activation(place.id, x_activation_token=place.token) is None


def test_an_endpoint_and_events(client: Any) -> None:
    from openapi_client import (
        CreateWebhookEndpointBody,
        DeliveriesApi,
        EventsApi,
        EventTypesApi,
        PublishEventBody,
        PublishEventsBody,
        RotateWebhookSecretBody,
        WebhookEndpointsApi,
    )

    endpoints, events = WebhookEndpointsApi(client), EventsApi(client)
    body = CreateWebhookEndpointBody(url="http://127.0.0.1:9000/hook", event_types=["invoice.*"])
    made = endpoints.create_webhook_endpoint(body)
    assert made.secret.startswith("whsec_") and made.event_types == ["invoice.*"]
    new = RotateWebhookSecretBody(overlap_seconds=600)
    rotated = endpoints.rotate_webhook_secret(made.id, rotate_webhook_secret_body=new)
    assert rotated.secret.startswith("whsec_") and rotated.secret != made.secret

    def event(number: int) -> Any:
        sample = EventTypesApi(client).get_event_type("invoice.paid").sample
        return PublishEventBody(type="invoice.paid", data={**sample, "invoice_id": f"INV-{number}"})

    accepted = events.publish_event(event(1))
    assert (accepted.type, accepted.deliveries) == ("invoice.paid", 1)
    batch = events.publish_events(PublishEventsBody(events=[event(2), event(3)]))
    assert len(batch.events) == 2 and batch.deliveries == 2
    assert events.get_event(accepted.id).data["invoice_id"] == "INV-1"
    listed = events.list_events(type=["invoice.paid"], limit=2)
    assert {each.id for each in listed} <= {each.id for each in batch.events} and len(listed) == 2
    waiting = DeliveriesApi(client).list_deliveries(event=accepted.id)
    assert [(each.endpoint.id, each.event.id) for each in waiting] == [(made.id, accepted.id)]
    assert "invoice.paid" in [each.name for each in EventTypesApi(client).list_event_types()]
    assert endpoints.pause_webhook_endpoint(made.id).status == "paused"
    assert endpoints.delete_webhook_endpoint(made.id) is None


def test_users_usage_and_the_audit_log(client: Any) -> None:
    from openapi_client import AuditLogApi, CreateUserBody, UsageApi, UsersApi

    users = UsersApi(client)
    address = f"{uuid.uuid4().hex}@acme.example"
    made = users.create_user(CreateUserBody(name="Jo Martin", email=address, password="correct horse battery"))
    assert [each.name for each in users.list_users(email=address)] == ["Jo Martin"]
    assert users.delete_user(made.id) is None
    usage = UsageApi(client).get_usage()
    assert usage.total >= 3 and usage.by_status.var_2xx >= 3
    entry = AuditLogApi(client).list_audit_log(limit=1)[0]
    assert entry.actor.kind == "api_key" and entry.request_id


def test_errors_are_objects(client: Any, as_key: Any, keys: Keys) -> None:
    from openapi_client import (
        AccountApi,
        ApiException,
        CreateApiKeyBodyLimits,
        ErrorResponse,
        EventsApi,
        PublishEventBody,
        UsersApi,
    )

    def refused(status: int, call: Any, *given: Any, **more: Any) -> Any:
        with pytest.raises(ApiException) as caught:
            call(*given, **more)
        told = caught.value.data
        assert caught.value.status == status and isinstance(told, ErrorResponse)
        assert told.request_id and told.docs.endswith(f"#{told.code}")
        return told

    assert refused(401, AccountApi(as_key("ipk_" + "0" * 50)).get_me).code == "invalid_api_key"
    assert refused(403, make_api_key, as_key(keys.reader)).code == "insufficient_scope"
    assert refused(404, UsersApi(client).get_user, "user_" + "0" * 22).code == "not_found"
    told = refused(400, make_api_key, client, scopes=["nothing:read"])
    assert told.code == "invalid_request" and told.fields["scopes"]

    def publish(status: str) -> Any:
        data = {"order_id": "ORD-6", "status": status}
        return EventsApi(client).publish_event(PublishEventBody(type="order.created", id="order-6-placed", data=data))

    publish("placed")
    assert refused(409, publish, "paid").code == "conflict"
    limited = UsersApi(as_key(make_api_key(client, limits=CreateApiKeyBodyLimits(minute=2)).key))
    assert limited.list_users() and limited.list_users()
    assert refused(429, limited.list_users).code == "rate_limited"

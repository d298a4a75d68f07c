"""Fixtures of the conventions: Acme with one object of each kind, and users who must not see any of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator

from apps.audit import actions as audit_actions
from apps.audit.timeline.sources import Filters
from apps.base.actor import system
from apps.base.identifiers import encode, new_uuid
from apps.base.models import PrefixedModel
from apps.notices import actions as notices
from apps.notices.models import Notice
from apps.orgs.invitations import actions as invitation_actions
from apps.orgs.models import Membership, Organization, OutgoingMail, User
from apps.sdk_keys import actions as sdk_actions
from apps.sdk_keys import key_query
from apps.sdk_keys.models import Activation
from apps.webhooks import actions, publishing
from apps.webhooks.models import Attempt, Delivery, DeliveryStatus, Event
from tests.conftest import PASSWORD, Key

ORDER = {"order_id": "ORD-1", "status": "placed"}
# Which object a parameter stands for: of a page by the parameter's name, of the API by the route's name.
SAMPLE_OF = {
    "key_id": "key", "endpoint_id": "endpoint", "delivery_id": "delivery", "replay_id": "replay", "notice_id": "notice",
    "export_id": "export", "creator": "key", "sdk_key_id": "sdk_key", "activation_id": "activation",
    "user_id": "user", "invitation_id": "invitation", "api-invitation": "invitation",
    "api-user": "user", "api-api-key": "key", "api-api-key-usage": "key",
    "api-api-key-rotate": "key", "api-api-key-revoke": "key", "api-api-key-disable": "key",
    "api-api-key-enable": "key", "api-api-key-release": "key",
    "api-webhook-endpoint": "endpoint", "api-webhook-endpoint-test": "endpoint",
    "api-webhook-endpoint-pause": "endpoint", "api-webhook-endpoint-enable": "endpoint",
    "api-webhook-endpoint-rotate-secret": "endpoint",
    "api-webhook-endpoint-replay": "endpoint", "api-replay": "replay", "api-replay-cancel": "replay",
    "api-sdk-key": "sdk_key", "api-sdk-key-rotate": "sdk_key", "api-sdk-key-revoke": "sdk_key",
    "api-sdk-key-disable": "sdk_key", "api-sdk-key-enable": "sdk_key", "api-sdk-key-release": "sdk_key",
    "api-sdk-key-activations": "sdk_key", "api-sdk-key-activation id": "sdk_key",
    "api-sdk-key-activation act": "activation",
    "api-sdk-activation": "activation", "api-sdk-heartbeat": "activation",
    "api-event": "event", "api-delivery": "delivery", "api-delivery-retry": "delivery",
}  # fmt: skip
# Catalogues that every organization shares: what stands in the path belongs to nobody.
SHARED = {"api-event-type": {"name": "order.created"}}
# Whoever calls: no credential is looked at.
OPEN = ("api-leaked-keys",)
# The route whose path is a pattern stands for everything that is no path; the root is none to programs.
NO_PATH = {"api-unknown": "/v1/nowhere", "api-root": "/v1/", "unnamed /v1": "/v1"}


@dataclass
class Samples:
    """One object of Acme of each kind, by the names of SAMPLE_OF."""

    rows: dict[str, PrefixedModel]
    app_key: str = ""  # the text of the SDK key
    device_token: str = ""

    def real(self, route: Any) -> dict[str, str]:
        """Return the values of a route's parameters that name Acme's own objects."""
        return self._fill(route, lambda row: row.public_id)

    def unknown(self, route: Any) -> dict[str, str]:
        """Return ids of the same kind that nobody has."""
        return self._fill(route, lambda row: encode(row.id_prefix, new_uuid()))

    def _fill(self, route: Any, text_of: Callable[[Any], str]) -> dict[str, str]:
        if route.name in SHARED:
            return SHARED[route.name]
        values = {}
        for parameter in route.objects:
            kind = SAMPLE_OF.get(route.name if route.interface in ("api", "sdk") else parameter)
            kind = SAMPLE_OF.get(f"{route.name} {parameter}", kind)
            if kind is None:
                pytest.fail(f"add a sample for {{{parameter}}} of {route.name} ({route.path}) to SAMPLE_OF")
            values[parameter] = text_of(self.rows[kind])
        return values

    @property
    def ids(self) -> list[str]:
        """What must not stand in anybody else's answers."""
        return [row.public_id for row in self.rows.values()]


def new_sdk_key(acme: Organization) -> Key:
    """Make an SDK key for iOS."""
    new = sdk_actions.NewSdkKey(name="Field app", platform="ios", app_id="com.acme.app")
    return Key(*sdk_actions.create_sdk_key(actor=system(acme.pk), new=new))


def active_device(key: Any) -> tuple[Activation, str]:
    """Give a place to one device, and return it with its token."""
    row = key_query.ROW_SOURCE.get(key.key_id)
    actor = system(key.organization_id)
    activation, token, _is_new = sdk_actions.activate(actor=actor, row=row, device=sdk_actions.Device("phone-1"))
    return activation, token


@pytest.fixture
def samples(acme: Organization, ada: User, vera: User, acme_key: Key) -> Samples:
    """Acme's keys, a device, user, endpoint, event, finished delivery, attempt, notice and mail."""
    maker, sdk_key = system(acme.pk), new_sdk_key(acme)
    endpoint, _secret = actions.create_endpoint(
        actor=maker, url="https://hooks.acme.example/in", event_types=["*"], headers={"X-Team": "blue"}
    )
    # So that the key has created something.
    endpoint.created_by_kind, endpoint.created_by_id = "api_key", acme_key.row.public_id
    endpoint.save(update_fields=["created_by_kind", "created_by_id"])
    accepted = publishing.publish(organization_id=acme.pk, event_type="order.created", data=ORDER, publisher="own")
    event = Event.objects.get(pk=accepted.event_id)
    Delivery.objects.filter(event=event).update(status=DeliveryStatus.EXHAUSTED, next_attempt_at=None)
    delivery = Delivery.objects.get(event=event)
    Attempt.objects.create(
        organization=acme, delivery=delivery, endpoint_id=endpoint.pk, number=1, started_at=event.created_at
    )
    params = {"host": "hooks.acme.example", "failures": 10}
    told = {"params": params, "severity": "bad", "permission": "webhooks:write"}
    notices.notify(organization_id=acme.pk, kind="endpoint.failing", dedupe_key="sample", **told)
    OutgoingMail.objects.create(to=ada.email, subject="For Ada", body="Of Acme")
    Authenticator.objects.create(user=ada, type=Authenticator.Type.WEBAUTHN, data={"name": "Key", "credential": {}})
    selection = actions.replay_selection()
    replay = actions.start_replay(actor=maker, endpoint_id=endpoint.public_id, selection=selection)
    export = audit_actions.start_export(actor=maker, filters=Filters(), file_format="csv")
    rows = {"user": vera, "key": acme_key.row, "endpoint": endpoint, "event": event, "delivery": delivery}
    device, token = active_device(sdk_key.row)
    invitation = invitation_actions.invite(actor=maker, email="invited@acme.example", role="viewer")
    notice = Notice.objects.get(organization=acme)
    rows |= {"replay": replay, "export": export, "sdk_key": sdk_key.row, "activation": device}
    return Samples(rows | {"invitation": invitation, "notice": notice}, sdk_key.text, token)


@pytest.fixture
def removed(person: Callable[..., User], acme: Organization) -> User:
    """Remi was an owner of Acme until a moment ago."""
    user = person("Remi", acme, "owner")
    Membership.objects.filter(user=user).delete()
    return user


@pytest.fixture
def operator(db: Any) -> User:
    """Olga works for the vendor."""
    user = User.objects.create_superuser("olga@vendor.example", PASSWORD, name="Olga")
    EmailAddress.objects.create(user=user, email=user.email, primary=True, verified=True)
    return user


@pytest.fixture
def working_operator(operator: User) -> User:
    """Olga with her second factor: without one the operators' pages open to nobody."""
    Authenticator.objects.create(
        user=operator, type=Authenticator.Type.TOTP, data={"secret": "CANARYOFTHESECONDFACTOR"}
    )
    return operator

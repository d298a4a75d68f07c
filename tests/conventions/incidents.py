"""What customers ask operators about, as rows: a failed webhook, a revoked key, a refused request, a refused mail."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.utils import timezone

from apps.api_keys import actions as keys
from apps.audit.models import ApiCall, LastUse
from apps.base.actor import system
from apps.orgs.models import Organization, OutgoingMail
from apps.webhooks import actions, publishing
from apps.webhooks.models import Attempt, Delivery, Event

REQUEST_ID = "9f2c1d7e4b8a4f0c8d11a6b3c2e5f701"
ADDRESS = "bea@acme.example"
REFUSAL = "SMTPRecipientsRefused: {'bea@acme.example': (550, b'5.1.1 No such user here')}"


@dataclass
class Incidents:
    """The rows that the answers are about."""

    key: Any
    call: ApiCall
    endpoint: Any
    quiet_endpoint: Any
    event: Event
    delivery: Delivery
    mail: OutgoingMail


def stage(acme: Organization, key: Any) -> Incidents:
    """Make one of each in an organization, of one of its keys."""
    maker, now = system(acme.pk), timezone.now()
    quiet, _secret = actions.create_endpoint(actor=maker, url="https://crm.acme.example/users", event_types=["user.*"])
    endpoint, _secret = actions.create_endpoint(
        actor=maker, url="https://hooks.acme.example/orders", event_types=["order.*"]
    )
    data = {"order_id": "ORD-1", "status": "placed"}
    accepted = publishing.publish(organization_id=acme.pk, event_type="order.created", data=data, publisher="own")
    event = Event.objects.get(pk=accepted.event_id)
    delivery = Delivery.objects.get(event=event)
    for number in (1, 2, 3):
        Attempt.objects.create(
            organization=acme, delivery=delivery, endpoint_id=endpoint.pk, number=number,
            started_at=now - timedelta(minutes=30 - 10 * number), duration_ms=41.5, error="tls_failed",
            hint="certificate_expired", address="203.0.113.80", response_body="CANARYOFTHEBODY",
        )  # fmt: skip
    Delivery.objects.filter(pk=delivery.pk).update(
        status="exhausted", attempt_count=3, last_error="tls_failed", next_attempt_at=None, finished_at=now
    )
    called = {"organization": acme, "actor_kind": "api_key", "actor_id": key.public_id, "actor_label": key.name,
              "credential_id": key.pk, "method": "GET", "route": "/v1/users", "address": "203.0.113.7"}  # fmt: skip
    ApiCall.objects.create(at=now - timedelta(hours=2), status=200, duration_ms=4.2, request_id="a" * 32, **called)
    LastUse.objects.create(credential_id=key.pk, at=now - timedelta(hours=2), address="203.0.113.7")
    keys.revoke_key(actor=maker, key_id=key.public_id, reason="Found in a public repository")
    call = ApiCall.objects.create(
        at=now, status=401, code="revoked_api_key", duration_ms=1.3, request_id=REQUEST_ID, **called
    )
    OutgoingMail.objects.create(
        to=ADDRESS, subject="Your API key expires soon", body="CANARYOFTHEMAIL", sent_at=now - timedelta(days=3),
        attempts=1, server_answer="2.0.0 Ok: queued as 4fJq2k1",
    )  # fmt: skip
    mail = OutgoingMail.objects.create(to=ADDRESS, template="invitation", regarding="CANARYOFTHELINK")
    OutgoingMail.objects.filter(pk=mail.pk).update(attempts=20, next_attempt_at=None, last_error=REFUSAL)
    mail.refresh_from_db()
    key.refresh_from_db()
    return Incidents(key, call, endpoint, quiet, event, Delivery.objects.get(pk=delivery.pk), mail)

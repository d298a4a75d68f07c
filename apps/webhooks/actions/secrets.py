"""Rotate and revoke signing secrets of endpoints."""

from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from apps.audit import actions as audit
from apps.base.actor import Actor
from apps.base.errors import Conflict, Invalid
from apps.base.permissions import Permission
from apps.base.rest.object_versions import ANY_VERSION, ExpectedVersion
from apps.base.timestamps import format_timestamp
from apps.webhooks.actions.rows import lock_endpoint
from apps.webhooks.engine.signing import new_secret
from apps.webhooks.models import Endpoint, EndpointSecret

MAX_SECRETS = 5
MAX_OVERLAP_SECONDS = 30 * 24 * 3600


def add_secret(endpoint: Endpoint) -> str:
    """Create the endpoint's newest signing secret and return it, the only time it is shown."""
    secret = new_secret()
    EndpointSecret.objects.create(endpoint=endpoint, organization_id=endpoint.organization_id, secret=secret)
    return secret


@transaction.atomic
def rotate_secret(
    *, actor: Actor, endpoint_id: str, expected: ExpectedVersion = ANY_VERSION, overlap_seconds: int = 86_400
) -> tuple[Endpoint, str]:
    """Create a new signing secret; deliveries are also signed with the old ones until the overlap ends.

    With an overlap of 0, headers that cannot be decrypted are cleared too, which repairs an endpoint whose encryption
    key is lost.
    """
    actor.require(Permission.WEBHOOKS_WRITE)
    if not 0 <= overlap_seconds <= MAX_OVERLAP_SECONDS:
        message = _("overlap_seconds must be from 0 to %(most)s.") % {"most": MAX_OVERLAP_SECONDS}
        raise Invalid.field("overlap_seconds", message)
    endpoint = lock_endpoint(actor, endpoint_id)
    expected.check(endpoint.version)
    now = timezone.now()
    overlap_end = now + timedelta(seconds=overlap_seconds)
    endpoint.secrets.filter(expires_at__lte=now).delete()
    endpoint.secrets.filter(Q(expires_at=None) | Q(expires_at__gt=overlap_end)).update(expires_at=overlap_end)
    # Deliveries carry a signature for each valid secret, so their number is limited.
    older = endpoint.secrets.order_by("-created_at", "-pk").values_list("pk", flat=True)[MAX_SECRETS - 1 :]
    endpoint.secrets.filter(pk__in=list(older)).delete()
    secret = add_secret(endpoint)
    # Secrets are part of the endpoint's version (its ETag), although the API object doesn't show them.
    clears_headers = overlap_seconds == 0 and endpoint.custom_headers is None
    if clears_headers:
        endpoint.headers = "{}"
    endpoint.save(update_fields=["updated_at", *(["headers"] if clears_headers else [])])
    audit.record_change(actor, "endpoint.secret_rotated", endpoint, {"overlap_seconds": [None, overlap_seconds]})
    return endpoint, secret


@transaction.atomic
def revoke_secret(*, actor: Actor, endpoint_id: str, secret_id: str) -> Endpoint:
    """Delete an older secret before its overlap ends; raise Conflict for the newest, which signs all deliveries."""
    actor.require(Permission.WEBHOOKS_WRITE)
    endpoint = lock_endpoint(actor, endpoint_id)
    secret: EndpointSecret = EndpointSecret.objects.for_actor(actor).filter(endpoint=endpoint).with_public_id(secret_id)
    if secret.expires_at is None:
        raise Conflict(_("This is the newest secret. Rotate it instead: then the old one can be ended."))
    changes: dict[str, list[object]] = {"made_at": [format_timestamp(secret.created_at), None]}
    secret.delete()
    endpoint.save(update_fields=["updated_at"])
    audit.record_change(actor, "endpoint.secret_ended", endpoint, changes)
    return endpoint

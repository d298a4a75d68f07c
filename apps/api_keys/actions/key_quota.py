"""The limit of active keys per type, exact under concurrency."""

from django.db import connection
from django.utils.translation import gettext as _

from apps.api_keys.models import ApiKey, KeyType
from apps.base.actor import Actor
from apps.base.errors import Conflict


def check_key_quota(actor: Actor, kind: KeyType) -> None:
    """Raise Conflict if the organization has as many active keys of the type as its cap.

    The organization's row stays locked until the commit, so that concurrent requests count one after the other. On
    SQLite the transaction itself is exclusive, because it begins IMMEDIATE.
    """
    if kind.cap is None:
        return
    lock_organization(actor)
    if ApiKey.objects.for_actor(actor).live().filter(key_type=kind).count() >= kind.cap:
        message = _("All %(cap)d keys of type %(type)s are in use. Revoke one to make another.")
        raise Conflict(message % {"cap": kind.cap, "type": kind.name}, "key_limit_reached")


def lock_organization(actor: Actor) -> None:
    """Lock the organization's row until the transaction ends, if the database has row locks."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM orgs_organization WHERE id = %s FOR NO KEY UPDATE", [actor.organization_id])

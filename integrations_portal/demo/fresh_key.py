"""The key that each start of the demo gets anew."""

from apps.api_keys import actions
from apps.api_keys.models import ApiKey, Scope
from apps.base.actor import ActorKind, system
from apps.orgs.models import Organization
from integrations_portal.demo.people import ACME

NAME, TYPE = "Demo key", "partner"


def fresh_key() -> str:
    """This will revoke the demo keys of earlier starts and return the text of a new one of Acme, with every scope."""
    acme = Organization.objects.get(slug=ACME)
    actor = system(acme.pk, label="Demo")
    for key in ApiKey.objects.for_actor(actor).live().filter(name=NAME, created_by_kind=ActorKind.SYSTEM):
        actions.revoke_key(actor=actor, key_id=key.public_id, reason="The demo was started again")
    scopes = Scope.objects.values_list("name", flat=True)
    return actions.create_key(actor=actor, name=NAME, key_type=TYPE, scopes=scopes)[1]

"""The demo's API key, reused at each start while it works."""

from apps.api_keys import actions
from apps.api_keys.models import ApiKey, Scope
from apps.base.actor import Actor, ActorKind, system
from apps.base.crypto.secrets import matches, parse_key
from apps.credentials.key_status import WORKING_STATUSES
from apps.orgs.models import Organization
from integrations_portal.demo.environment import KEY_FILE, write_private
from integrations_portal.demo.users import ACME

NAME, TYPE = "Demo key", "partner"


def demo_key() -> str:
    """Return Acme's demo key, which has every scope: the one of earlier starts, or a new one."""
    actor = system(Organization.objects.get(slug=ACME).pk, label="Demo")
    text = KEY_FILE.read_text(encoding="ascii").strip() if KEY_FILE.exists() else ""
    return text if _is_usable(actor, text) else _create_key(actor)


def _is_usable(actor: Actor, text: str) -> bool:
    parsed = parse_key(text)
    row = ApiKey.objects.for_actor(actor).filter(key_id=parsed.key_id).first() if parsed else None
    return row is not None and row.status in WORKING_STATUSES and matches(text, row.digest, row.pepper_id)


def _create_key(actor: Actor) -> str:
    """Create and store a new key; revoke earlier demo keys, which are lost."""
    for key in ApiKey.objects.for_actor(actor).live().filter(name=NAME, created_by_kind=ActorKind.SYSTEM):
        actions.revoke_key(actor=actor, key_id=key.public_id, reason="The demo made a new key")
    scopes = Scope.objects.values_list("name", flat=True)
    text = actions.create_key(actor=actor, name=NAME, key_type=TYPE, scopes=scopes)[1]
    write_private(KEY_FILE, text + "\n")
    return text

"""Members as options of the audit page's filters."""

from apps.audit.timeline.sources import EntityRef
from apps.base.actor import Actor, ActorKind
from apps.orgs.models import Membership


def people(actor: Actor, limit: int) -> list[EntityRef]:
    """Return up to ``limit`` members by name; former members can be filtered by through the links of their rows."""
    rows = Membership.objects.for_actor(actor).select_related("user").order_by("user__name", "user__email")[:limit]
    return [EntityRef(ActorKind.USER.value, row.user_public_id, row.user.name or row.user.email) for row in rows]

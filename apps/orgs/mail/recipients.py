"""Recipients of notification mail: an organization chooses them for each group, and members can decline groups."""

from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from apps.notices.models import Notice
from apps.orgs.models import Membership, Role
from apps.orgs.roles import PERMISSIONS

KEYS, WEBHOOKS, SECURITY, MEMBERS = "keys", "webhooks", "security", "members"
GROUPS: dict[str, Promise] = {
    KEYS: _("Keys: expiry and rotation"),
    WEBHOOKS: _("Webhooks: endpoints that fail, stop or recover"),
    SECURITY: _("Security: leaked keys, unusual use, suspension"),
    MEMBERS: _("Members: who comes, goes or changes role"),
}
# Groups that a member can decline.
OPTIONAL_GROUPS = (KEYS, WEBHOOKS, MEMBERS)
# Group by prefix of the notification's kind; the first match counts. Others belong to SECURITY.
KIND_PREFIXES = (
    ("api_key.leaked", SECURITY),
    ("api_key.unusual", SECURITY),
    ("sdk_key.leaked", SECURITY),
    ("sdk_key.unusual", SECURITY),
    ("api_key.", KEYS),
    ("sdk_key.", KEYS),
    ("endpoint.", WEBHOOKS),
    ("delivery.", WEBHOOKS),
    ("replay.", WEBHOOKS),
    ("member.", MEMBERS),
    ("invitation.", MEMBERS),
    ("user.", MEMBERS),
)


def group_of(kind: str) -> str:
    """Return the group of a notification's kind."""
    return next((group for prefix, group in KIND_PREFIXES if kind.startswith(prefix)), SECURITY)


def recipients(notice: Notice, members: list[Membership]) -> list[Membership]:
    """Return the members who get the mail of a notification.

    These are the members that the organization chose for the group, by default those whose role has the notification's
    permission, without those who declined the group. Owners always get security mail, and mail without a recipient.
    """
    group = group_of(notice.kind)
    chosen = (notice.organization.mail_recipients or {}).get(group)
    wanted = [each for each in members if _is_recipient(each, notice, chosen)]
    if group in OPTIONAL_GROUPS:
        wanted = [each for each in wanted if group not in (each.mail_off or ())]
        has_declined = any(_is_recipient(each, notice, chosen) for each in members)
        return wanted if wanted or has_declined else [each for each in members if each.role == Role.OWNER]
    owners = [each for each in members if each.role == Role.OWNER and each not in wanted]
    return wanted + owners


def _is_recipient(member: Membership, notice: Notice, chosen: dict[str, Any] | None) -> bool:
    if chosen is None:
        return not notice.permission or notice.permission in PERMISSIONS[member.role]
    return member.role in chosen.get("roles", ()) or member.user_public_id in chosen.get("members", ())

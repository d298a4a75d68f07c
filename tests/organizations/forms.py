"""Act as an operator, and send forms of pages as a browser would."""

import re
from typing import Any

from apps.base.actor import Actor, ActorKind
from apps.orgs.roles import PERMISSIONS

HIDDEN = re.compile(r'<input type="hidden" name="(token|version)" value="([^"]*)"')
OPERATOR = Actor(kind=ActorKind.OPERATOR, id="user_olga", label="olga@vendor.example")


def actor_of(user: Any, organization: Any, role: str = "admin") -> Actor:
    """Return a signed-in person as the actor, as a request makes it."""
    return Actor(
        kind=ActorKind.USER, id=user.public_id, label=user.name, organization_id=organization.pk,
        permissions=PERMISSIONS[role], grantable=frozenset({"admin"}), role=role, pk=user.pk,
    )  # fmt: skip


def send(browser: Any, path: str, **values: Any) -> Any:
    """Open a form and send it with its hidden fields and these values."""
    page = browser.get(path)
    assert page.status_code == 200, page.status_code
    return browser.post(path, {**hidden(page), **values})


def hidden(page: Any) -> dict[str, str]:
    """Return the token and the version that a page's form carries."""
    return dict(HIDDEN.findall(page.content.decode()))

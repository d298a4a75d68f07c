"""Read invitations from a mailbox and open them in a browser."""

import re
from typing import Any

from django.core import mail
from django.test import Client

from apps.base.actor import Actor, ActorKind
from apps.orgs.mail.jobs import send_due_mail
from apps.orgs.members.middleware import refresh_permissions
from apps.orgs.models import Membership, User
from apps.orgs.roles import GRANTABLE, PERMISSIONS

HERE = "/invitation/"
LINK = re.compile(r"http://127\.0\.0\.1:8000(/invitation/([0-9A-Za-z]{43})/)")
TOKEN = re.compile(r'name="token" value="([^"]+)"')


def newest_link(email: str) -> str:
    """Send what waits and return the path of the newest link that came to an address."""
    send_due_mail()
    found = [LINK.search(each.body) for each in mail.outbox if each.to == [email]]
    return [match for match in found if match][-1][1]


def follow(path: str, browser: Client | None = None) -> Client:
    """Open a link in the given browser, or in a new one."""
    browser = browser or Client()
    assert browser.get(path)["Location"] == HERE
    return browser


def situation(browser: Client) -> str:
    return browser.get(HERE).context["situation"]


def actor_for(user: User, membership: Membership) -> Actor:
    """Return the member as the actor of a page request."""
    return Actor(
        kind=ActorKind.USER,
        id=user.public_id,
        label=user.name,
        organization_id=membership.organization_id,
        permissions=PERMISSIONS[membership.role],
        grantable=GRANTABLE[membership.role],
        role=membership.role,
        pk=user.pk,
        recheck=refresh_permissions,
    )


def send(browser: Client, path: str, **values: Any) -> Any:
    """Open a form of the portal and send it with its token."""
    token = TOKEN.search(browser.get(path).content.decode())
    return browser.post(path, {**values, "token": token[1] if token else ""})

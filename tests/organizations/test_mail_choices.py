"""Recipients of mail: the organization's choice by group, each member's own, and mail that can't be declined."""

import pytest

from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.base.permissions import Permission
from apps.notices import actions as notices
from apps.notices.texts import TEXTS
from apps.orgs.mail.jobs import mail_notices
from apps.orgs.mail.recipients import GROUPS, SECURITY, group_of
from apps.orgs.models import Membership, Organization, OutgoingMail
from apps.orgs.settings import organization_settings
from tests.organizations.forms import send

pytestmark = pytest.mark.django_db
HERE = "/o/acme/settings/organization/mail/"
PARAMS = {"host": "h", "failures": 1, "name": "K"}


def told(acme, kind, permission=Permission.WEBHOOKS_WRITE):
    """Post a notice and say who gets its mail."""
    OutgoingMail.objects.all().delete()
    number = notices.Notice.objects.count()
    notices.notify(
        organization_id=acme.pk, kind=kind, dedupe_key=f"{kind}:{number}", params=PARAMS, permission=permission
    )
    mail_notices()
    return sorted(mail.to.partition("@")[0] for mail in OutgoingMail.objects.all())


def main_of(page):
    return page.content.decode().partition("<main")[2].partition("</main>")[0]


def choose(acme, **groups):
    organization_settings.update_settings(actor=system(acme.pk), mail_recipients=groups)


def test_every_kind_has_a_group():
    assert {group_of(kind) for kind in TEXTS} <= set(GROUPS)
    assert (
        group_of("something.new") == SECURITY == group_of("api_key.leaked_revoked") == group_of("organization.closed")
    )
    assert (group_of("api_key.expiring"), group_of("endpoint.failing")) == ("keys", "webhooks")


def test_roles_and_people_that_were_chosen_get_it(acme, ada, ann, dev, vera):
    assert told(acme, "endpoint.failing") == ["ada", "ann", "dev"]
    choose(acme, webhooks={"roles": ["developer"], "members": [vera.public_id]})
    assert told(acme, "endpoint.failing") == ["dev", "vera"]
    assert told(acme, "api_key.expiring", Permission.API_KEYS_WRITE) == ["ada", "ann"]


def test_owners_always_get_what_is_about_security(acme, ada, ann, vera):
    choose(acme, security={"roles": ["viewer"], "members": []})
    Membership.objects.filter(user=ada).update(mail_off=["security", "keys"])
    assert told(acme, "api_key.leaked") == ["ada", "vera"]


def test_mail_that_would_reach_nobody_reaches_owners(acme, ada, ann, vera, person):
    gone = person("Gone", acme, "admin")
    choose(acme, webhooks={"roles": [], "members": [gone.public_id]})
    assert told(acme, "endpoint.failing") == ["gone"]
    Membership.objects.filter(user=gone).delete()
    assert told(acme, "endpoint.failing") == ["ada"]


def test_the_page_saves_what_is_ticked_and_nobody_elses_members(browser_of, ann, zed, acme):
    browser = browser_of(ann)
    values = {"roles_keys": ["owner"], "members_webhooks": [ann.public_id]}
    assert send(browser, HERE, **values).status_code == 302
    expected = {"keys": {"roles": ["owner"], "members": []}, "webhooks": {"roles": [], "members": [ann.public_id]}}
    assert Organization.objects.get(pk=acme.pk).mail_recipients == expected
    assert AuditEntry.objects.get(action="organization.updated").changes == {"mail_recipients": [None, expected]}
    assert send(browser, HERE, members_keys=[zed.public_id]).status_code == 422
    choose(acme, keys={"roles": ["owner", "king"], "members": [zed.public_id, 7]})
    assert Organization.objects.get(pk=acme.pk).mail_recipients == {"keys": {"roles": ["owner"], "members": []}}
    assert send(browser, HERE).status_code == 302
    assert Organization.objects.get(pk=acme.pk).mail_recipients is None


# One's own


def test_each_person_declines_for_each_organization(browser_of, acme, rival, ada, dev):
    Membership.objects.create(organization=rival, user=dev, role="owner")
    browser = browser_of(dev)
    page = main_of(browser.get("/account/mail/"))
    assert page.count('type="checkbox"') == 6 and page.count(" checked") == 6
    assert "Security" not in page
    answer = browser.post(
        "/account/mail/", {"mail_acme": ["keys", "security"], "mail_rival": ["keys", "webhooks", "members"]}
    )
    assert answer.status_code == 302
    own = dict(Membership.objects.filter(user=dev).values_list("organization__slug", "mail_off"))
    assert own == {"acme": ["webhooks", "members"], "rival": None}
    assert told(acme, "endpoint.failing") == ["ada"]
    entry = AuditEntry.objects.get(action="member.mail_chosen")
    assert (entry.organization_id, entry.actor_id) == (acme.pk, dev.public_id)
    assert main_of(browser.get("/account/mail/")).count(" checked") == 4


def test_who_declined_is_not_replaced_by_owners(acme, ada, dev):
    choose(acme, webhooks={"roles": ["developer"], "members": []})
    Membership.objects.filter(user=dev).update(mail_off=["webhooks"])
    assert told(acme, "endpoint.failing") == []


def test_strangers_sign_in_first_and_may_belong_nowhere(client, browser_of, person):
    assert client.get("/account/mail/").status_code == 302
    assert "You belong to no organization" in browser_of(person("Solo")).get("/account/mail/").content.decode()
    assert browser_of(person("Other")).put("/account/mail/").status_code == 405

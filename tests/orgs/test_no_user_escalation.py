"""Whoever holds ``users:write`` ends as a viewer at most, whatever is called, mailed or reset in between."""

import random
import re

import pytest
from allauth.account.models import EmailAddress
from django.core import mail
from django.core.management import call_command
from django.test import Client

from apps.api_keys.models import ApiKey
from apps.orgs.mail.jobs import send_due_mail
from apps.orgs.models import Membership, Organization, Role, User

pytestmark = pytest.mark.django_db
MALLORY = "mallory@evil.example"
PASSWORD = "chosen by mallory"
HERE = "/o/acme/settings/integration/api-keys/create/"


@pytest.fixture
def members(acme, person):
    """One of each role, a viewer who is an operator, and one who owns another organization."""
    found = {role: person(f"Some{role}", acme, role) for role in Role.values}
    found["operator"] = person("Operator", acme, Role.VIEWER, is_staff=True)
    found["elsewhere"] = person("Elsewhere", acme, Role.VIEWER)
    other = Organization.objects.create(name="Other", slug="other")
    Membership.objects.create(organization=other, user=found["elsewhere"], role=Role.OWNER)
    return found


@pytest.fixture
def key(make_key, acme):
    return make_key(acme, "users:write")


def sign_in(email, password=PASSWORD):
    browser = Client()
    browser.post("/account/login/", {"login": email, "password": password})
    return browser


def reset(email):
    """Ask for a reset and follow the newest link that came to Mallory's mailbox."""
    Client().post("/account/password/reset/", {"email": email})
    send_due_mail()
    for message in reversed(mail.outbox):
        found = re.search(r"https?://\S+(/account/password/reset/key/\S+)", message.body)
        if MALLORY in message.to and found:
            browser = Client()
            page = browser.get(found[1], follow=True)
            browser.post(page.request["PATH_INFO"], {"password1": PASSWORD, "password2": PASSWORD})
            return


def accept(browser):
    """Follow the newest invitation that came to Mallory's mailbox, with her password where it asks for one."""
    send_due_mail()
    for message in reversed(mail.outbox):
        found = re.search(r"/invitation/[0-9A-Za-z]{43}/", message.body)
        if MALLORY in message.to and found:
            browser.get(found[0])
            browser.post("/invitation/", {"name": "M", "password": PASSWORD})
            return


def moves(dice, api, key, members):
    """What Mallory may try: calls on anybody, mails to her own box, sign-ins with the password that she chose."""
    someone = dice.choice(list(members.values()))
    path = f"/v1/users/{someone.public_id}"
    name = f"m{dice.randrange(9)}@evil.example"
    return [
        lambda: api(key).post("/v1/users", {"name": "M", "email": dice.choice([MALLORY, name]), "password": PASSWORD}),
        lambda: api(key).put(path, {"email": MALLORY}),
        lambda: api(key).patch(path, {"name": "M", "email": name}),
        lambda: api(key).delete(path),
        lambda: api(key).post("/v1/users", {"name": "M", "email": someone.email, "password": PASSWORD}),
        lambda: reset(dice.choice([MALLORY, someone.email])),
        lambda: api(key).post("/v1/invitations", {"email": MALLORY, "role": dice.choice(Role.values)}),
        lambda: accept(dice.choice([Client, lambda: sign_in(MALLORY), lambda: sign_in(someone.email)])()),
        lambda: sign_in(someone.email).post("/account/email/", {"email": MALLORY, "action_add": ""}),
        lambda: sign_in(MALLORY).post(HERE, {"name": "x", "type": "internal", "scopes": ["admin"], "expires": "30"}),
    ]


@pytest.mark.parametrize("seed", range(6))
def test_no_sequence_leads_above_viewer(seed, api, key, members, settings):
    settings.RATE_LIMIT_DEFAULTS = {}
    dice = random.Random(seed)
    strong = {m.user.email: m.role for m in Membership.objects.exclude(role=Role.VIEWER).select_related("user")}
    for _ in range(40):
        dice.choice(moves(dice, api, key, members))()
    after = {m.user.email: m.role for m in Membership.objects.exclude(role=Role.VIEWER).select_related("user")}
    assert after == strong
    # Nobody strong signs in with Mallory's password, and no mailbox of hers belongs to one of them.
    for user in User.objects.filter(memberships__role__in=[Role.OWNER, Role.ADMIN, Role.DEVELOPER]).distinct():
        assert not user.check_password(PASSWORD)
        assert not EmailAddress.objects.filter(user=user, email__endswith="@evil.example").exists()
    assert User.objects.get(pk=members["operator"].pk).email == members["operator"].email
    assert ApiKey.objects.count() == 1


def test_the_moves_do_something(api, key, members):
    viewer = members[Role.VIEWER]
    assert api(key).put(f"/v1/users/{viewer.public_id}", {"email": MALLORY}).status_code == 200
    reset(MALLORY)
    assert User.objects.get(pk=viewer.pk).check_password(PASSWORD)
    assert sign_in(MALLORY).get("/o/acme/settings/integration/").status_code == 200
    assert sign_in(MALLORY).get(HERE).status_code == 403


def test_an_account_made_over_the_api_does_not_open_the_organization_that_it_is_given(api, key, capsys):
    """Pre-hijacking: the account is there first, with a password that somebody else knows."""
    body = {"name": "Bea", "email": "bea@big.example", "password": PASSWORD}
    assert api(key).post("/v1/users", body).status_code == 201
    User.objects.filter(email="bea@big.example").update(signs_in_unverified=True)
    assert sign_in("bea@big.example").get("/o/acme/settings/integration/").status_code == 200
    call_command("create_organization", name="Big", slug="big", owner_email="bea@big.example")
    user = User.objects.get(email="bea@big.example")
    assert not user.has_usable_password()
    assert sign_in("bea@big.example").get("/o/big/settings/integration/").status_code == 302

"""A key with ``api_keys:write`` cannot gain permissions by any sequence of requests."""

import ipaddress
import random
from collections import Counter

import pytest

from apps.api_keys import actions
from apps.api_keys.actions import Lifetime
from apps.api_keys.models import ApiKey, KeyType, Scope
from apps.base.actor import system
from apps.base.permissions import ADMIN, expand
from tests.engines import in_threads

pytestmark = pytest.mark.django_db
SEEDS = range(12)
STEPS = 40
SCOPES = (
    "api_keys:write",
    "api_keys:read",
    "users:read",
    "users:write",
    "orders:read",
    "audit:read",
    "admin",
    "nonsense",
)
NETWORKS = ([], ["0.0.0.0/0"], ["127.0.0.0/8"], ["127.0.0.1"], ["127.0.0.0/7"], ["::/0"], ["10.0.0.0/8", "127.0.0.0/8"])


@pytest.fixture
def maker(make_key, acme):
    """May write keys and read users; from loopback, for ten days, thirty calls a minute."""
    return make_key(
        acme, "api_keys:write", "users:read", name="Maker", lifetime=Lifetime.days(10),
        allowed_networks=["127.0.0.0/8"], limits={"minute": 30_000_000, "hour": 30_000_000},
    )  # fmt: skip


@pytest.fixture
def treasure(make_key, acme):
    """Keys that hold more, or last longer, or may be used from anywhere, in every state."""
    keys = [
        make_key(acme, "admin", type="internal", name="Admin"),
        make_key(acme, name="Everything of a partner", lifetime=Lifetime(never=True)),
        make_key(acme, "users:write", type="user_data", name="Provisioning"),
        make_key(acme, "api_keys:write", "users:read", name="Same, for ever", lifetime=Lifetime(never=True)),
        make_key(acme, "orders:read", type="client", subject="c", name="Client", allowed_networks=["10.0.0.0/8"]),
        make_key(acme, name="No scope at all", allowed_networks=["127.0.0.1"]),
    ]
    actions.disable_key(actor=system(acme.pk), key_id=keys[1].row.public_id)
    actions.change_key("quarantine", actor=system(acme.pk), key_id=keys[2].row.public_id)
    return keys


def body(dice):
    """Return a random body that tries to escalate, or sometimes a plain one."""
    if dice.random() < 0.3:
        return {"name": "x", "type": "partner", "scopes": ["users:read"], "limits": {"minute": 5}}
    made = {"name": "x", "type": dice.choice(list(KeyType.objects.values_list("name", flat=True)))}
    made["scopes"] = dice.sample(SCOPES, dice.randrange(4))
    if dice.random() < 0.5:
        made["allowed_networks"] = dice.choice(NETWORKS)
    if dice.random() < 0.5:
        made["limits"] = {dice.choice(["minute", "hour"]): dice.choice([1, 50, 5000, 2**31 - 1, None])}
    made |= dice.choice([{}, {"never_expires": True}, {"expires_in_days": dice.choice([1, 9, 11, 400])}])
    if made["type"] == "client":
        made["subject"] = "c"
    return made


def step(api, dice, text, spared=None):
    """One call with one of the keys in hand; returns the text of a key that it brought."""
    key = dice.choice(list(ApiKey.objects.exclude(pk=spared)))
    path = f"/v1/api-keys/{key.public_id}"
    asked = body(dice)
    change = {name: asked[name] for name in ("scopes", "allowed_networks", "limits") if name in asked}
    calls = {
        "create": lambda: api(text).post("/v1/api-keys", asked),
        "change": lambda: api(text).patch(path, dict([dice.choice(list(change.items()))])),
        "rotate": lambda: api(text).post(f"{path}/rotate", {"overlap_seconds": dice.choice([0, 60, 2_592_000])}),
        "enable": lambda: api(text).post(f"{path}/enable"),
        "release": lambda: api(text).post(f"{path}/release"),
    }
    word = dice.choice(list(calls))
    answer = calls[word]()
    assert answer.status_code < 500, answer.content
    return word, answer.status_code, answer.json().get("key")


def power(key):
    """What a key may: scopes, end, networks, limits."""
    return {
        "scopes": expand(key.scopes),
        "ends": key.expires_at,
        "networks": [ipaddress.ip_network(each) for each in key.allowed_networks],
        "type": key.key_type.allowed_scopes(frozenset(Scope.objects.values_list("name", flat=True))),
    }


def is_within(less, more):
    inside = less["networks"] and all(
        any(a.version == b.version and a.subnet_of(b) for b in more["networks"]) for a in less["networks"]
    )
    return (
        (ADMIN in more["scopes"] or less["scopes"] <= more["scopes"])
        and (less["ends"] is not None and less["ends"] <= more["ends"])
        and inside
        and less["type"] <= more["type"]
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_no_sequence_of_calls_brings_more(seed, api, maker, treasure, settings):
    settings.RATE_LIMIT_DEFAULTS = {}
    dice = random.Random(seed)
    hand, bound = {maker.text: maker.row}, power(maker.row)
    others = {key.row.pk: power(key.row) for key in treasure}
    states = {row.pk: (row.disabled_at, row.quarantined_at) for row in ApiKey.objects.filter(pk__in=others)}
    done = Counter()
    for _ in range(STEPS):
        word, status, text = step(api, dice, dice.choice(list(hand)))
        done[word, status] += 1
        if text:
            hand[text] = ApiKey.objects.latest("pk")
    for row in hand.values():
        row.refresh_from_db()
        assert is_within(power(row), bound), (row.name, power(row))
    for pk, before in others.items():
        row = ApiKey.objects.get(pk=pk)
        assert expand(row.scopes) <= before["scopes"]
        if not before["scopes"] <= bound["scopes"]:
            assert (row.disabled_at, row.quarantined_at) == states[pk]
    assert done


def test_the_sequences_try_and_succeed_at_all_of_it(api, maker, treasure):
    """So that the test above is not green because nothing ever went through."""
    dice, done = random.Random(99), Counter()
    for _ in range(300):
        word, status, _text = step(api, dice, maker.text, spared=maker.row.pk)
        done[word, status // 100] += 1
    assert {(word, 2) for word in ("create", "change", "rotate", "enable", "release")} <= set(done)
    assert done["create", 4] and done["rotate", 4]


def test_a_key_does_not_outlive_itself_by_rotating_itself(api, maker):
    made = api(maker).post(f"/v1/api-keys/{maker.row.public_id}/rotate", {"overlap_seconds": 0}).json()
    assert ApiKey.objects.latest("pk").expires_at <= maker.row.expires_at
    assert made["allowed_networks"] == ["127.0.0.0/8"]


def test_rotating_a_wider_key_hands_on_the_common_networks_and_the_lower_limits(api, make_key, acme):
    maker = make_key(acme, "api_keys:write", allowed_networks=["127.0.0.0/8"], limits={"minute": 9, "hour": None})
    wide = make_key(acme, "api_keys:read")
    part = make_key(acme, "api_keys:read", allowed_networks=["127.0.0.1", "10.0.0.0/8"])
    apart = make_key(acme, "api_keys:read", allowed_networks=["10.0.0.0/8"])
    made = api(maker).post(f"/v1/api-keys/{wide.row.public_id}/rotate", {}).json()
    assert (made["allowed_networks"], made["limits"]["minute"]) == (["127.0.0.0/8"], 9)
    made = api(maker).post(f"/v1/api-keys/{part.row.public_id}/rotate", {}).json()
    assert made["allowed_networks"] == ["127.0.0.1/32"]
    answer = api(maker).post(f"/v1/api-keys/{apart.row.public_id}/rotate", {})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    apart.row.refresh_from_db()
    assert apart.row.overlap_since is None


@pytest.mark.django_db(transaction=True)
def test_a_key_is_rotated_once_by_ten_at_once(acme, acme_key):
    def rotate(_number):
        try:
            actions.rotate_key(actor=system(acme.pk), key_id=acme_key.row.public_id)
        except Exception as error:
            return type(error).__name__
        return "made"

    assert Counter(in_threads(10, rotate)) == {"made": 1, "Conflict": 9}
    assert ApiKey.objects.filter(replaces=acme_key.row).count() == 1

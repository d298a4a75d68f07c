"""``/v1/api-keys``: list, get, create, revoke, and which scopes a creator can grant."""

import re

import pytest

from apps.api_keys.models import ApiKey
from apps.audit.models import AuditEntry
from apps.webhooks.models import Event

pytestmark = pytest.mark.django_db
BODY = {"name": "Nightly export", "type": "partner", "scopes": ["users:read"]}


def test_it_creates_a_key_and_shows_it_once(api, acme_key):
    answer = api(acme_key).post("/v1/api-keys", BODY)
    assert answer.status_code == 201
    made = answer.json()
    row = ApiKey.objects.get(name="Nightly export")
    assert made["key"].startswith("ipk_") and len(made["key"]) == 54
    assert made["mask"] == f"ipk_{row.key_id[:4]}••••{made['key'][-4:]}"
    assert (made["id"], made["type"], made["scopes"], made["status"]) == (
        row.public_id,
        "partner",
        ["users:read"],
        "active",
    )
    assert made["created_by"] == {"kind": "api_key", "id": acme_key.row.public_id, "label": "Acme's key"}
    assert api(made["key"]).get("/v1/users").status_code == 200
    listed = api(acme_key).get("/v1/api-keys").json()
    assert [key["name"] for key in listed] == ["Acme's key", "Nightly export"]
    assert "key" not in listed[1]
    assert made["key"] not in api(acme_key).get(f"/v1/api-keys/{row.public_id}").content.decode()
    entry = AuditEntry.objects.get(action="api_key.created", target_id=row.public_id)
    assert entry.actor_id == acme_key.row.public_id
    assert Event.objects.filter(type="api_key.created").count() == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"scopes": ["nonsense"]}, "scopes"),
        ({"scopes": ["admin"]}, "scopes"),
        ({"scopes": "users:read"}, "scopes"),
        ({"type": "nonsense"}, "type"),
        ({"type": "platform"}, "type"),
        ({"name": " "}, "name"),
        ({"expires_in_days": 0}, "expires_in_days"),
        ({"expires_at": "yesterday"}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_in_days": 9, "never_expires": True}, "expires_in_days"),
        ({"allowed_networks": ["203.0.113.1/24"]}, "allowed_networks"),
        ({"allowed_networks": ["10.0.0.0/40"]}, "allowed_networks"),
        ({"allowed_networks": ["fe80::%eth0/64"]}, "allowed_networks"),
        ({"limits": {"minute": 101}}, "limits"),
        ({"limits": {"second": 1}}, "limits.second"),
        ({"subject": "client-1"}, "subject"),
        ({"status": "active"}, "status"),
    ],
)
def test_errors_name_the_field_to_change(api, acme_key, change, field):
    answer = api(acme_key).post("/v1/api-keys", {**BODY, **change})
    assert answer.status_code == 400
    assert field in answer.json()["fields"]
    assert ApiKey.objects.count() == 1


def test_a_key_in_a_text_that_is_kept_is_refused(api, acme_key, make_key, acme):
    caller, key = api(acme_key), make_key(acme, "users:read")
    path = f"/v1/api-keys/{key.row.public_id}"
    client = {**BODY, "type": "client", "scopes": ["orders:read"], "subject": f"x {key.text}"}
    answers = {
        "name": [
            caller.post("/v1/api-keys", {**BODY, "name": key.text}),
            caller.patch(path, {"name": f"was {key.text}"}),
        ],
        "subject": [caller.post("/v1/api-keys", client)],
        "reason": [caller.post(f"{path}/{end}", {"reason": f"{key.text} is public"}) for end in ("disable", "revoke")],
    }
    for field, refused in answers.items():
        for answer in refused:
            assert (answer.status_code, list(answer.json()["fields"])) == (400, [field])
            assert key.text not in answer.content.decode()
    assert caller.patch(path, {"name": f"Like {key.row.mask}"}).status_code == 200


def test_ipv4_written_as_ipv6_is_ipv4(api, acme_key):
    given = ["::ffff:203.0.113.0/120", "::ffff:198.51.100.7", "::/0", "2001:db8::/32"]
    answer = api(acme_key).post("/v1/api-keys", {**BODY, "allowed_networks": given})
    assert answer.json()["allowed_networks"] == ["203.0.113.0/24", "198.51.100.7/32", "::/0", "2001:db8::/32"]


def test_a_client_key_needs_a_subject_and_an_end(api, admin_key):
    body = {"name": "C", "type": "client", "scopes": ["orders:read"]}
    assert list(api(admin_key).post("/v1/api-keys", body).json()["fields"]) == ["subject"]
    endless = api(admin_key).post("/v1/api-keys", {**body, "subject": "c-1", "never_expires": True})
    assert list(endless.json()["fields"]) == ["never_expires"]
    made = api(admin_key).post("/v1/api-keys", {**body, "subject": "c-1"})
    assert made.status_code == 201
    assert api(made.json()["key"]).get("/v1/me").json()["key"]["subject"] == "c-1"


def test_a_key_gives_no_scope_that_it_lacks(api, make_key, acme):
    maker = make_key(acme, "api_keys:write")
    answer = api(maker).post("/v1/api-keys", BODY)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert api(maker).post("/v1/api-keys", {**BODY, "scopes": []}).status_code == 201
    assert api(maker).post("/v1/api-keys", {**BODY, "scopes": ["api_keys:read"]}).status_code == 201


def test_a_key_makes_no_type_that_may_hold_more(api, make_key, acme):
    answer = api(make_key(acme)).post("/v1/api-keys", {**BODY, "type": "internal"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_omitted_settings_are_limited_to_those_of_the_creating_key(api, make_key, acme):
    from apps.api_keys.actions import Lifetime

    maker = make_key(
        acme,
        lifetime=Lifetime.days(5),
        allowed_networks=["127.0.0.0/8"],
        limits={"minute": 10, "hour": None},
    )
    made = api(maker).post("/v1/api-keys", BODY).json()
    row = ApiKey.objects.get(name="Nightly export")
    assert row.expires_at.replace(microsecond=0) == maker.row.expires_at.replace(microsecond=0)
    assert made["allowed_networks"] == ["127.0.0.0/8"]
    assert made["limits"] == {"minute": 10, "hour": 5000}
    for more in (
        {"expires_in_days": 6},
        {"never_expires": True},
        {"allowed_networks": []},
        {"allowed_networks": ["0.0.0.0/0"]},
        {"limits": {"minute": 11}},
    ):
        answer = api(maker).post("/v1/api-keys", {**BODY, **more})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden"), more


def test_the_cap_of_a_type_holds(api, admin_key):
    body = {"name": "U", "type": "user_data", "scopes": ["users:read"]}
    made = [api(admin_key).post("/v1/api-keys", body) for _ in range(6)]
    assert [answer.status_code for answer in made] == [201] * 5 + [409]
    assert made[5].json()["code"] == "key_limit_reached"
    api(admin_key).post(f"/v1/api-keys/{made[0].json()['id']}/revoke")
    assert api(admin_key).post("/v1/api-keys", body).status_code == 201


def test_revoking_twice_records_once(api, acme_key, make_key, acme):
    other = make_key(acme, name="Other")
    path = f"/v1/api-keys/{other.row.public_id}/revoke"
    first = api(acme_key).post(path, {"reason": "lost laptop"})
    second = api(acme_key).post(path)
    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json()["status"] == second.json()["status"] == "revoked"
    assert AuditEntry.objects.filter(action="api_key.revoked").count() == 1
    assert Event.objects.filter(type="api_key.revoked").count() == 1


def test_keys_are_never_deleted_and_strangers_get_404(api, acme_key, rival_key):
    path = f"/v1/api-keys/{acme_key.row.public_id}"
    assert api(acme_key).delete(path).status_code == 405
    assert api(rival_key).get(path).status_code == 404
    assert api(rival_key).post(f"{path}/revoke").status_code == 404
    acme_key.row.refresh_from_db()
    assert acme_key.row.revoked_at is None


@pytest.mark.parametrize(("slug", "type"), [("acme", "platform"), ("platform", "partner"), ("platform", "internal")])
def test_the_vendors_organization_holds_the_vendors_type_alone(acme, slug, type):
    from django.core.management import CommandError, call_command

    with pytest.raises(CommandError, match=f"--type does not accept {type}"):
        call_command("create_api_key", org=slug, type=type, name="x", scopes="events:write")
    assert not ApiKey.objects.exists()


@pytest.mark.parametrize(
    ("slip", "says"),
    [
        ({"type": "Partnr"}, "--type does not accept Partnr. Did you mean partner? Accepted: client, internal, "),
        (
            {"scopes": "users:read,order:read"},
            "not accept order:read. Did you mean orders:read? Accepted: api_keys:read, ",
        ),
        ({"type": "user_data", "scopes": "x"}, "--scopes does not accept x. Accepted: users:read, users:write."),
    ],
)
def test_the_command_names_the_nearest_word_and_those_it_accepts(acme, slip, says):
    from django.core.management import CommandError, call_command

    right = {"org": "acme", "type": "partner", "name": "x", "scopes": "orders:read"}
    with pytest.raises(CommandError, match=re.escape(says)):
        call_command("create_api_key", **{**right, **slip})
    assert not ApiKey.objects.exists()


def test_the_command_makes_a_platform_key_once(acme, api, capsys):
    import json

    from django.core.management import call_command

    call_command(
        "create_api_key", org="platform", type="platform", name="Host", scopes="events:write,api_keys:verify", json=True
    )
    made = json.loads(capsys.readouterr().out)
    assert list(made) == ["id", "key", "mask", "type", "scopes", "expires_at"]
    assert made["expires_at"] is None
    body = {"type": "order.created", "data": {"order_id": "o-1", "status": "placed"}, "organization": "acme"}
    assert api(made["key"]).post("/v1/events", body).status_code == 202


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "--org"),
        (["--expires-in-days", "abc"], "expires-in-days"),
        (["--name", "a\udcff"], "--name"),
        (["--per-minute", "99999999999"], "--per-minute"),
    ],
)
def test_a_wrong_argument_of_a_command_is_one_sentence_and_exit_1(acme, capsys, monkeypatch, arguments, says):
    from django.core.management import ManagementUtility, base

    monkeypatch.setattr(base.connections, "close_all", lambda: None)

    right = ["--org", "acme", "--type", "partner", "--name", "x", "--scopes", "users:read"] if arguments else []
    with pytest.raises(SystemExit) as ended:
        ManagementUtility(["manage.py", "create_api_key", *right, *arguments]).execute()
    said = capsys.readouterr().err
    assert ended.value.code == 1 and says in said and len(said.strip().splitlines()) == 1
    assert not ApiKey.objects.exists()

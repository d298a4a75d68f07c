"""What a key or a member created is shown and ended in one go, also once they are revoked, expired or removed."""

import re

import pytest
from django.contrib.auth.hashers import make_password

from apps.api_keys.models import ApiKey
from apps.audit.models import AuditEntry
from apps.base.actor import system
from apps.credentials import api as door
from apps.notices.models import Notice
from apps.orgs.invitations import acceptance
from apps.orgs.models import Invitation, User
from apps.sdk_keys.models import SdkKey
from apps.webhooks.models import Endpoint
from tests.alerts import published
from tests.api_keys.forms import page_of, send, text_of, token_of
from tests.conftest import Api

pytestmark = pytest.mark.django_db
KEYS = "/v1/api-keys"
PERSON = {"name": "Nia", "email": "nia@acme.example", "password": "correct horse"}
WEB_APP = {"name": "Web app", "platform": "web", "origins": ["https://app.example"]}
SCOPES = ["users:write", "api_keys:write", "webhooks:write", "sdk_keys:write"]


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(door, "MIN_RESPONSE_SECONDS", 0)


def make(caller, name, scopes=SCOPES):
    made = caller.post(KEYS, {"name": name, "type": "partner", "scopes": scopes})
    assert made.status_code == 201, made.content
    return made.json()["id"], Api(made.json()["key"])


@pytest.fixture
def family(admin_key, make_key, acme, ada):
    """A key that made one of everything, and a key that made another one."""
    key = make_key(acme, *SCOPES, name="Mother")
    mother = Api(key)
    child_id, child = make(mother, "Child")
    grandchild_id, _caller = make(child, "Grandchild", ["users:read"])
    assert mother.post("/v1/users", PERSON).status_code == 201
    assert mother.post("/v1/invitations", {"email": "new@acme.example", "role": "viewer"}).status_code == 201
    assert child.post("/v1/sdk-keys", WEB_APP).status_code == 201
    hook = {"url": "https://hooks.example.com/a", "event_types": ["order.*"]}
    assert child.post("/v1/webhook-endpoints", hook).status_code == 201
    return key, child_id, grandchild_id


def of(caller, creator):
    answer = caller.get(f"/v1/descendants?of={creator}")
    assert answer.status_code == 200, answer.content
    assert answer.json()["total"] == len(answer.json()["descendants"])
    return [(each["kind"], each["name"]) for each in answer.json()["descendants"]]


def end(caller, creator, **more):
    answer = caller.post("/v1/descendants/end", {"of": creator, **more})
    assert answer.status_code == 200, answer.content
    return answer.json()


ALL = [
    ("api_key", "Child"), ("api_key", "Grandchild"), ("user", "nia@acme.example"), ("invitation", "new@acme.example"),
    ("sdk_key", "Web app"), ("endpoint", "https://hooks.example.com/a"),
]  # fmt: skip


def test_everything_is_shown_however_many_steps_away(family, admin_key, api):
    key, child_id, _grandchild = family
    assert of(api(admin_key), key.row.public_id) == ALL
    assert of(api(admin_key), child_id) == [ALL[1], *ALL[4:]]
    assert of(api(admin_key), admin_key.row.public_id) == []


def test_one_request_revokes_all_descendants_and_a_second_revokes_nothing(family, admin_key, api):
    key, *_ids = family
    ended = end(api(admin_key), key.row.public_id, reason="Found in a log")
    assert {(each["kind"], each["name"]) for each in ended["ended"]} == set(ALL) and ended["kept"] == []
    assert set(ApiKey.objects.filter(name__in=["Child", "Grandchild"]).values_list("status_reason", flat=True)) == {
        "Found in a log"
    }
    assert not ApiKey.objects.live().filter(name__in=["Child", "Grandchild"]).exists()
    assert ApiKey.objects.live().filter(name="Mother").exists()
    assert not SdkKey.objects.live().exists() and not User.objects.filter(email=PERSON["email"]).exists()
    assert Endpoint.objects.get().status == "paused" and Invitation.objects.get().status == "revoked"
    entries = set(AuditEntry.objects.filter(actor_id=admin_key.row.public_id).values_list("action", flat=True))
    assert entries == {
        "api_key.revoked", "sdk_key.revoked", "user.deleted", "invitation.revoked", "endpoint.paused",
    }  # fmt: skip
    assert len(published("api_key.revoked")) == 2
    assert end(api(admin_key), key.row.public_id) == {"ended": [], "kept": [], "remaining": 0}


def test_a_key_between_that_has_ended_hides_nothing(family, admin_key, api):
    key, child_id, _grandchild = family
    api(admin_key).post(f"{KEYS}/{child_id}/revoke", {"successors": False})
    assert of(api(admin_key), key.row.public_id) == [each for each in ALL if each[1] != "Child"]


def test_a_selection_of_descendants_is_revoked(family, admin_key, api):
    key, child_id, _grandchild = family
    ended = end(api(admin_key), key.row.public_id, only=[child_id])
    assert [each["name"] for each in ended["ended"]] == ["Child"]
    refused = api(admin_key).post(
        "/v1/descendants/end", {"of": key.row.public_id, "only": [child_id, admin_key.row.public_id]}
    )
    assert refused.status_code == 400 and "only" in refused.json()["fields"]
    assert ApiKey.objects.live().filter(name="Grandchild").exists()


def test_what_the_caller_may_not_end_is_kept_and_says_why(family, make_key, acme, api):
    key, *_ids = family
    weak = make_key(acme, "users:read", "api_keys:write", "webhooks:read", name="Weak")
    assert {kind for kind, _name in of(api(weak), key.row.public_id)} == {"api_key", "user", "invitation", "endpoint"}
    done = end(api(weak), key.row.public_id)
    assert {each["kind"] for each in done["ended"]} == {"api_key"}
    assert {each["kind"] for each in done["kept"]} == {"user", "invitation", "endpoint"}
    assert [each for each in done["kept"] if "lacks the scope" not in each["error"]] == []
    assert SdkKey.objects.live().exists() and Endpoint.objects.get().status == "enabled"


def test_no_caller_revokes_the_key_it_uses(family, api, admin_key):
    key, child_id, grandchild_id = family
    child = ApiKey.objects.get(name="Child")
    caller, _id = make(api(admin_key), "Other")[1], child.pk
    assert end(caller, key.row.public_id)["kept"] == []
    own_id, own = make(api(admin_key), "Own")
    kept = end(own, admin_key.row.public_id)["kept"]
    assert [each["id"] for each in kept] == [own_id]


def test_an_accomplice_of_a_leaked_key_and_what_they_made(admin_key, make_key, acme, api, ada):
    key = make_key(acme, "admin", type="internal", name="Leaked")
    assert api(key).post("/v1/invitations", {"email": "evil@acme.example", "role": "admin"}).status_code == 201
    Invitation.objects.update(token_digest="d" * 64)
    account = acceptance.NewAccount("Evil", make_password("correct horse"))
    evil = acceptance.accept_invitation(actor=system(), digest="d" * 64, account=account).user
    ApiKey.objects.filter(pk=make_key(acme, "users:read", name="Backdoor").row.pk).update(
        created_by_kind="user", created_by_id=evil.public_id, created_by_label="Evil"
    )
    found = of(api(admin_key), key.row.public_id)
    assert ("api_key", "Backdoor") in found and ("user", "evil@acme.example") in found
    assert end(api(admin_key), key.row.public_id)["kept"] == []
    assert not ApiKey.objects.live().filter(name="Backdoor").exists()


def test_more_than_one_request_can_end_are_left_for_the_next(family, admin_key, api, monkeypatch):
    monkeypatch.setattr("apps.credentials.descendants.MAX_PER_REQUEST", 4)
    key, *_ids = family
    done = [end(api(admin_key), key.row.public_id) for _ in range(3)]
    assert [(len(each["ended"]), each["remaining"]) for each in done] == [(4, 2), (2, 0), (0, 0)]


def test_what_is_kept_does_not_stand_in_the_way_of_the_rest(family, make_key, acme, api, monkeypatch):
    monkeypatch.setattr("apps.credentials.descendants.MAX_PER_REQUEST", 2)
    key, *_ids = family
    helper = api(make_key(acme, "users:read", "api_keys:read", "webhooks:write", name="Helper"))
    done = end(helper, key.row.public_id)
    assert [each["kind"] for each in done["ended"]] == ["endpoint"]
    assert (len(done["kept"]), done["remaining"]) == (4, 0)
    assert Endpoint.objects.get().status == "paused"


@pytest.mark.parametrize("value", ["", "?of=", "?of=ada", "?of=sdk_01JD2V8Q4ZK7M3X9T5B6CW", "?of=key_1", "?of=%00"])
def test_whose_is_asked_for_strictly(admin_key, api, value):
    refused = api(admin_key).get(f"/v1/descendants{value}")
    assert refused.status_code == 400 and list(refused.json()["fields"]) == ["of"]


@pytest.mark.parametrize(
    "body",
    [{}, {"of": "ada"}, {"of": None}, {"of": "user_01JD2V8Q4ZK7M3X9T5B6CW", "only": []},
     {"of": "user_01JD2V8Q4ZK7M3X9T5B6CW", "only": "key"}, {"of": "user_01JD2V8Q4ZK7M3X9T5B6CW", "reason": "x" * 201}],
)  # fmt: skip
def test_a_body_is_read_strictly(admin_key, api, body):
    assert api(admin_key).post("/v1/descendants/end", body).status_code == 400


def test_another_organization_sees_and_ends_nothing(family, rival_key, api):
    key, child_id, _grandchild = family
    assert of(api(rival_key), key.row.public_id) == []
    assert end(api(rival_key), key.row.public_id) == {"ended": [], "kept": [], "remaining": 0}
    refused = api(rival_key).post("/v1/descendants/end", {"of": key.row.public_id, "only": [child_id]})
    assert refused.status_code == 400 and ApiKey.objects.live().filter(name="Child").exists()


# Leaks


def test_the_report_of_a_dead_key_tells_of_what_it_made(family, api, admin_key):
    key, *_ids = family
    api(admin_key).post(f"{KEYS}/{key.row.public_id}/revoke")
    for _ in range(2):
        Api().post("/v1/leaked-keys", {"key": key.text})
    [notice] = Notice.objects.open()
    assert (notice.kind, notice.params["made"]) == ("api_key.leaked_creator", 6)
    [(_name, data)] = published("api_key.leaked")
    assert (data["consequence"], data["descendants"]) == ("none", 6)
    end(api(admin_key), key.row.public_id)
    assert not Notice.objects.open().exists()


def test_the_report_of_a_dead_key_that_made_nothing_stays_silent(acme_key, admin_key, api):
    api(admin_key).post(f"{KEYS}/{acme_key.row.public_id}/revoke")
    Api().post("/v1/leaked-keys", {"key": acme_key.text})
    assert not Notice.objects.open().exists() and published("api_key.leaked") == []


# Pages


def here(creator):
    return f"/o/acme/settings/integration/created-by/{creator}/"


def chosen(page):
    return len(re.findall(r'name="only"[^>]* checked', page.content.decode()))


def test_the_page_shows_all_and_ends_what_is_chosen(family, browser_of, ada):
    key, child_id, grandchild_id = family
    browser, path = browser_of(ada), here(key.row.public_id)
    page = browser.get(path)
    said = text_of(page)
    assert "Created by Mother" in said and "Member “nia@acme.example”" in said and "Grandchild" in said
    assert chosen(page) == 6
    done = send(browser, path, only=[child_id, grandchild_id], reason="Leaked")
    assert "2 items no longer work." in text_of(done)
    assert not ApiKey.objects.live().filter(name__in=["Child", "Grandchild"]).exists()
    assert chosen(browser.get(path)) == 4


def test_the_pages_of_the_key_say_that_it_made_more(family, browser_of, ada, vera):
    key, *_ids = family
    browser = browser_of(ada)
    for path in (page_of(key.row), page_of(key.row) + "revoke/"):
        page = browser.get(path)
        assert "6 items created by “Mother” still work." in text_of(page)
        assert here(key.row.public_id) in page.content.decode()
    seen = browser_of(vera).get(page_of(key.row))
    assert "6 items created by “Mother”" in text_of(seen) and here(key.row.public_id) not in seen.content.decode()


def test_removing_a_member_leads_to_what_they_created(browser_of, ada, ann, make_key, acme):
    ApiKey.objects.filter(pk=make_key(acme, "users:read", name="Ann's").row.pk).update(
        created_by_kind="user", created_by_id=ann.public_id, created_by_label="Ann"
    )
    browser, path = browser_of(ada), f"/o/acme/settings/organization/members/{ann.public_id}/remove/"
    assert "1 item created by “Ann” still works." in text_of(browser.get(path))
    done = browser.post(path, {"token": token_of(browser.get(path))}, follow=True)
    assert done.redirect_chain[-1][0] == here(ann.public_id) and "Created by Ann" in text_of(done)
    key = ApiKey.objects.get(name="Ann's")
    done = send(browser, here(ann.public_id), only=[key.public_id])
    assert done.redirect_chain[-1][0] == "/o/acme/settings/organization/members/"
    assert not ApiKey.objects.live().filter(pk=key.pk).exists()


def test_who_was_never_here_has_no_page(browser_of, ada, rival_key):
    for creator in (rival_key.row.public_id, "user_01JD2V8Q4ZK7M3X9T5B6CW", "sdk_01JD2V8Q4ZK7M3X9T5B6CW", "x"):
        assert browser_of(ada).get(here(creator)).status_code == 404


def test_a_developer_ends_endpoints_alone(family, browser_of, dev):
    key, *_ids = family
    browser, path = browser_of(dev), here(key.row.public_id)
    everything = [each["id"] for each in Api(key).get(f"/v1/descendants?of={key.row.public_id}").json()["descendants"]]
    done = send(browser, path, only=everything)
    assert "1 item no longer works." in text_of(done) and "was not changed" in text_of(done)
    assert Endpoint.objects.get().status == "paused" and ApiKey.objects.live().filter(name="Child").exists()

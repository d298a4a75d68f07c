"""What lists of keys and users are narrowed to: exactly what was asked for, by an index where there is one."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.api_keys.models import ApiKey
from apps.credentials.key_status import KeyStatus
from apps.orgs.models import User

pytestmark = pytest.mark.django_db
KEYS, SDK_KEYS, USERS = "/v1/api-keys", "/v1/sdk-keys", "/v1/users"


@pytest.fixture
def admin(admin_key, api):
    return api(admin_key)


def found(caller, path: str, /, **query) -> list[str]:
    answer = caller.get(f"{path}?{urlencode(query, doseq=True)}")
    assert answer.status_code == 200, (query, answer.content)
    assert answer["X-Total-Count"] == str(len(answer.json()))
    return [each["name"] for each in answer.json()]


def refused(caller, path: str, /, **query) -> list[str]:
    answer = caller.get(f"{path}?{urlencode(query, doseq=True)}")
    assert answer.status_code == 400, (query, answer.content)
    return list(answer.json()["fields"])


def test_keys_by_type_and_subject(admin, make_key, acme, rival):
    for name, subject in (("One", "cus_1"), ("Two", "cus_2"), ("Small", "CUS_1")):
        make_key(acme, "orders:read", type="client", subject=subject, name=name)
    make_key(acme, "users:read", type="user_data", name="People")
    make_key(rival, "orders:read", type="client", subject="cus_1", name="Theirs")
    assert found(admin, KEYS, subject="cus_1") == ["One"]
    assert found(admin, KEYS, subject="cus_9") == []
    assert found(admin, KEYS, type="client") == ["One", "Two", "Small"]
    assert found(admin, KEYS, type="client,user_data") == ["One", "Two", "Small", "People"]
    assert found(admin, KEYS, type=["user_data", "client"], subject="cus_2") == ["Two"]
    for query in (
        {"type": "clients"},
        {"type": "client,"},
        {"type": ""},
        {"type": "Client"},
        {"type": "client, partner"},
    ):
        assert refused(admin, KEYS, **query) == ["type"], query
    assert refused(admin, KEYS, subject="") == ["subject"] == refused(admin, KEYS, subject="x" * 201)
    assert "platform" not in admin.get(f"{KEYS}?type=nothing").json()["error"]


def test_keys_by_every_status(admin, make_key, acme):
    now = timezone.now()
    states = {
        "active": {}, "expiring": {"expires_at": now + timedelta(days=3)}, "overlap": {"overlap_since": now},
        "disabled": {"disabled_at": now}, "quarantined": {"quarantined_at": now},
        "expired": {"expires_at": now - timedelta(days=1)}, "revoked": {"revoked_at": now},
    }  # fmt: skip
    assert set(states) == set(KeyStatus.values)
    for name, values in states.items():
        made = make_key(acme, "users:read", name=name).row
        ApiKey.objects.filter(pk=made.pk).update(**{"expires_at": now + timedelta(days=90), **values})
    for name in states:
        assert [each for each in found(admin, KEYS, status=name) if each in states] == [name]
    assert found(admin, KEYS, status="revoked,expired") == ["expired", "revoked"]
    assert found(admin, KEYS, status=["expired", "revoked,expired"], name="REV") == ["revoked"]
    for text in ("Active", "active,lost", "", "ACTIVE"):
        assert refused(admin, KEYS, status=text) == ["status"]


@pytest.mark.parametrize(
    ("text", "names"),
    [("export", ["Nightly EXPORT"]), ("EXPORT", ["Nightly EXPORT"]), ("éxp", ["Éxport Ünïcode"]),
     ("ÜNÏ", ["Éxport Ünïcode"]), ("e\u0301xport", ["Éxport Ünïcode"]), ("straße", ["STRASSE 5"]), ("ключ", ["Ключ"]),
     ("%", ["100% done_"]), ("_", ["100% done_"]), ("x'y", []), ("Κλειδί", [])],
)  # fmt: skip
def test_keys_by_a_part_of_their_name_whatever_the_case(admin, make_key, acme, text, names):
    for name in ("Nightly EXPORT", "Éxport Ünïcode", "STRASSE 5", "Ключ", "100% done_"):
        make_key(acme, "users:read", name=name)
    assert found(admin, KEYS, name=text) == names
    assert refused(admin, KEYS, name="") == ["name"] == refused(admin, KEYS, name="x" * 101)


def test_sdk_keys_by_platform_status_and_name(admin):
    for name, platform in (("Ärzte-App", "ios"), ("Field", "android"), ("Field two", "ios")):
        admin.post(SDK_KEYS, {"name": name, "platform": platform, "app_id": "com.acme.app"})
    assert found(admin, SDK_KEYS, platform="ios") == ["Ärzte-App", "Field two"]
    assert found(admin, SDK_KEYS, platform="ios,android", name="ärzte") == ["Ärzte-App"]
    assert found(admin, SDK_KEYS, status="active", name="FIELD") == ["Field", "Field two"]
    assert refused(admin, SDK_KEYS, type="ios") == ["type"] and refused(admin, SDK_KEYS, platform="iOS") == ["platform"]


def test_a_user_by_address_in_any_spelling(admin, person, acme, rival):
    person("mia", acme)
    User.objects.filter(name="mia").update(email="mia@bücher.example")
    jo, theirs = person("jo", acme), person("zoe", rival)
    for text in ("mia@bücher.example", "MIA@Bücher.Example", "mia@xn--bcher-kva.example"):
        assert found(admin, USERS, email=text) == ["mia"], text
    assert found(admin, USERS, email=jo.email.upper()) == [jo.name]
    assert found(admin, USERS, email=theirs.email) == [] == found(admin, USERS, email="%@acme.example")
    for text in (
        "",
        "mia",
        "mia@",
        "@acme.example",
        f"{jo.email},{theirs.email}",
        "a b@acme.example",
        "j\u00f6@acme.example",
    ):
        assert refused(admin, USERS, email=text) == ["email"], text


def test_filters_cost_no_further_queries_for_more_keys(admin, make_key, acme):
    queries = []
    for _ in range(2):
        make_key(acme, "orders:read", type="client", subject="cus_1", name="Ключ")
        query = urlencode({"subject": "cus_1", "type": "client", "status": "active,expiring", "name": "ключ"})
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert admin.get(f"{KEYS}?{query}").status_code == 200
        queries.append(len(captured))
    assert queries[1] <= queries[0]


def test_the_pages_search_finds_other_letters_too(browser_of, ada, make_key, acme):
    make_key(acme, "users:read", name="Éxport Ünïcode")
    page = browser_of(ada).get("/o/acme/settings/integration/api-keys/?q=éXPORT ünï").content.decode()
    assert "Éxport Ünïcode" in page


def test_a_subject_is_found_by_its_index(acme):
    rows = ApiKey.objects.filter(organization=acme, subject="cus_1").order_by("pk")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
    assert "api_key_by_subject" in rows.explain()

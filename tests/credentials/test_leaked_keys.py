"""Whoever finds a key in public reports it, and learns nothing; its organization gets what it wants."""

import io
import json
import logging
from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.apps import apps
from django.core import mail
from django.test import Client
from django.utils import timezone

from apps.api_keys import actions as key_actions
from apps.api_keys.models import ApiKey
from apps.audit.models import ApiCall, AuditEntry, RefusedCalls
from apps.base.actor import system
from apps.base.crypto.secrets import checksum, new_key, parse_key
from apps.base.text.validation import INVISIBLE_CHARACTERS
from apps.credentials import api as door
from apps.credentials.leaks import report_leak, without_key
from apps.notices.models import Notice
from apps.orgs.mail.jobs import mail_notices, send_due_mail
from apps.orgs.models import Organization
from tests.alerts import published
from tests.conftest import Api
from tests.engines import in_threads

pytestmark = pytest.mark.django_db

WHERE = "https://code.example.com/acme/app/blob/3f2a9c/config.py"


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(door, "MIN_RESPONSE_SECONDS", 0)


def report(key: str, **more):
    return Api().post("/v1/leaked-keys", {"key": key, **more})


def policy_of(organization: Organization, policy: str) -> None:
    Organization.objects.filter(pk=organization.pk).update(leak_policy=policy)


def entries(organization: Organization) -> list[str]:
    found = AuditEntry.objects.filter(organization=organization).exclude(action="api_key.created")
    return list(found.order_by("pk").values_list("action", flat=True))


# What becomes of the key


def test_quarantine_is_what_happens_unless_chosen(acme, acme_key):
    answer = report(acme_key.text, where=WHERE)
    assert (answer.status_code, answer.json()) == (202, {})
    key = ApiKey.objects.get()
    assert (key.status, key.status_reason) == ("quarantined", "Reported as leaked")
    assert entries(acme) == ["api_key.leaked", "api_key.quarantined"]
    [(name, data)] = [each for each in published("api_key.") if each[0] != "api_key.created"]
    assert (name, data["consequence"], data["where"], data["id"]) == (
        "api_key.leaked", "quarantine", WHERE, key.public_id,
    )  # fmt: skip
    notice = Notice.objects.open().get()
    assert (notice.kind, notice.severity) == ("api_key.leaked_quarantined", "bad")


def test_the_policy_tell_changes_nothing(acme, acme_key, api):
    policy_of(acme, "tell")
    report(acme_key.text)
    assert ApiKey.objects.get().status == "active" and api(acme_key).get("/v1/me").status_code == 200
    assert entries(acme) == ["api_key.leaked"]
    assert [name for name, _data in published("api_key.")] == ["api_key.created", "api_key.leaked"]
    assert Notice.objects.open().get().kind == "api_key.leaked"


@pytest.mark.django_db(transaction=True)
def test_revoke_ends_it_at_once(acme, acme_key, api):
    policy_of(acme, "revoke")
    api(acme_key).get("/v1/me")
    report(acme_key.text, where=WHERE)
    assert api(acme_key).get("/v1/me").json()["code"] == "revoked_api_key"
    assert entries(acme) == ["api_key.leaked", "api_key.revoked"]
    events = published("api_key.")
    assert [name for name, _data in events] == ["api_key.created", "api_key.leaked", "api_key.revoked"]
    assert events[2][1]["reason"] == "Reported as leaked"
    assert Notice.objects.open().get().kind == "api_key.leaked_revoked"


def test_the_entry_names_the_portal_and_where_the_report_came_from(acme, acme_key):
    report(acme_key.text, where=WHERE)
    entry = AuditEntry.objects.get(action="api_key.leaked")
    assert (entry.actor_kind, entry.address, entry.target_id) == ("system", "127.0.0.1", acme_key.row.public_id)
    assert entry.changes == {"where": [None, WHERE], "consequence": [None, "quarantine"]}


def test_owners_and_admins_are_mailed_with_the_place(acme, acme_key, ada, ann, dev, vera, zed):
    report(acme_key.text, where=WHERE)
    mail_notices()
    send_due_mail()
    assert sorted(message.to[0] for message in mail.outbox) == ["ada@acme.example", "ann@acme.example"]
    assert "is public and was put in quarantine" in mail.outbox[0].subject and WHERE in mail.outbox[0].body


def test_a_repeated_report_is_ignored_until_the_next_day(acme, acme_key):
    with time_machine.travel(datetime(2026, 3, 2, 9, tzinfo=UTC), tick=False) as clock:
        policy_of(acme, "tell")
        for _ in range(3):
            assert report(acme_key.text).status_code == 202
        assert entries(acme) == ["api_key.leaked"] and Notice.objects.count() == 1
        clock.shift(timedelta(days=1))
        report(acme_key.text)
        assert entries(acme) == ["api_key.leaked"] * 2 and Notice.objects.count() == 2


def test_a_key_in_quarantine_stays_there_and_its_release_ends_the_story(acme, acme_key):
    report(acme_key.text)
    key_actions.release_key(actor=system(acme.pk), key_id=acme_key.row.public_id)
    assert not Notice.objects.open().exists()
    report(acme_key.text)
    assert ApiKey.objects.get().status == "active", "the same report of the same day is no news"


@pytest.mark.parametrize("state", ["revoked_at", "expires_at"])
def test_the_leak_of_a_dead_key_is_recorded_and_nobody_is_told(acme, acme_key, ada, state):
    ApiKey.objects.filter(pk=acme_key.row.pk).update(**{state: timezone.now()})
    report(acme_key.text, where=WHERE)
    report(acme_key.text, where=WHERE)
    assert AuditEntry.objects.get(action="api_key.leaked").changes["consequence"] == [None, "none"]
    assert entries(acme) == ["api_key.leaked"] and not Notice.objects.open().exists()
    assert [name for name, _data in published("api_key.")] == ["api_key.created"]
    mail_notices()
    assert send_due_mail() == 0


def test_a_disabled_key_is_dealt_with_as_well(acme, acme_key):
    ApiKey.objects.filter(pk=acme_key.row.pk).update(disabled_at=timezone.now())
    report(acme_key.text)
    assert ApiKey.objects.get().quarantined_at is not None


def test_a_revocation_closes_the_notice(acme, acme_key):
    policy_of(acme, "tell")
    report(acme_key.text)
    key_actions.revoke_key(actor=system(acme.pk), key_id=acme_key.row.public_id)
    assert not Notice.objects.open().exists()


def test_a_rotation_leaves_it_while_the_old_key_works(acme, acme_key):
    policy_of(acme, "tell")
    report(acme_key.text)
    key_actions.rotate_key(actor=system(acme.pk), key_id=acme_key.row.public_id)
    assert Notice.objects.open().get().kind == "api_key.leaked"


@pytest.mark.django_db(transaction=True)
def test_two_reports_at_once_are_one(acme, acme_key):
    text = acme_key.text
    assert {answer.status_code for answer in in_threads(6, lambda _number: report(text))} == {202}
    assert entries(acme) == ["api_key.leaked", "api_key.quarantined"] and Notice.objects.count() == 1


# What the reporter learns


def with_wrong_secret(text: str) -> str:
    body = text[:16] + new_key("ipk_").plaintext[16:48]
    return body + checksum(body)


def test_every_key_is_answered_alike(acme, acme_key):
    texts = [
        acme_key.text, new_key("ipk_").plaintext, with_wrong_secret(acme_key.text), acme_key.text[:-1] + "x",
        new_key("ips_").plaintext, "ghp_0123456789", "garbage", "ключ", "x" * 1000,
    ]  # fmt: skip
    answers = [report(text) for text in texts]
    seen = {
        (answer.status_code, answer.content, tuple(sorted(set(answer.headers) - {"X-Request-ID"})))
        for answer in answers
    }
    assert len(seen) == 1 and answers[0].content == b"{}"
    assert entries(acme) == ["api_key.leaked", "api_key.quarantined"]


def test_a_wrong_secret_touches_nothing(acme, acme_key):
    report(with_wrong_secret(acme_key.text))
    assert ApiKey.objects.get().status == "active" and entries(acme) == []


def test_white_space_around_the_key_is_cut(acme_key):
    report(f"  {acme_key.text}\n")
    assert ApiKey.objects.get().status == "quarantined"


def test_every_report_takes_the_same_time(acme_key, monkeypatch):
    waits = []
    monkeypatch.setattr(door, "MIN_RESPONSE_SECONDS", 5)
    monkeypatch.setattr(door.time, "sleep", waits.append)
    for text in (acme_key.text, new_key("ipk_").plaintext, "garbage"):
        report(text)
    assert len(waits) == 3
    assert [wait for wait in waits if not 4 < wait <= 5] == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "key"), ({"key": ""}, "key"), ({"key": 1}, "key"), ({"key": "x" * 1001}, "key"),
        ({"key": "x", "where": 1}, "where"), ({"key": "x", "where": "y" * 501}, "where"),
        ({"key": "x", "url": "y"}, "url"), ([], "body"),
    ],
)  # fmt: skip
def test_other_bodies_are_refused(body, field):
    answer = Api().post("/v1/leaked-keys", body)
    assert answer.status_code == 400 and list(answer.json()["fields"]) == [field]


def test_it_takes_posts_of_json_alone():
    answer = Api().get("/v1/leaked-keys")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    form = Client().post("/v1/leaked-keys", {"key": "x"})
    assert form.status_code == 415 and form.json()["code"] == "unsupported_media_type"
    assert Client().post("/v1/leaked-keys/", b'{"key": "x"', content_type="application/json").status_code == 400


# Credentials and limits


def test_a_key_in_the_header_is_not_looked_at(acme, acme_key, rival_key):
    for text in (rival_key.text, acme_key.text, "garbage"):
        answer = Api(text).post("/v1/leaked-keys", {"key": acme_key.text})
        assert (answer.status_code, answer.json()) == (202, {})
        assert not [name for name in answer.headers if name.lower().startswith("ratelimit")]
    assert not ApiCall.objects.exists()


def test_an_idempotency_key_is_not_looked_at(acme, acme_key):
    for key in (acme_key.text, "garbage"):
        answer = Api().post("/v1/leaked-keys", {"key": key}, headers={"Idempotency-Key": "same"})
        assert answer.status_code == 202 and "Idempotency-Replayed" not in answer.headers


def test_a_session_is_not_looked_at_either(acme_key, ada, browser_of):
    answer = browser_of(ada).post(
        "/v1/leaked-keys", {"key": acme_key.text}, content_type="application/json", headers={"Accept": "text/html"}
    )
    assert answer.status_code == 202


def test_thirty_a_minute_from_one_address():
    answers = [report("garbage") for _ in range(35)]
    assert [answer.status_code for answer in answers] == [202] * 30 + [429] * 5
    assert answers[30].json()["code"] == "rate_limited" and 1 <= int(answers[30]["Retry-After"]) <= 60
    assert not [name for name in answers[30].headers if name.startswith("RateLimit")]
    other = Client(REMOTE_ADDR="198.51.100.7").post("/v1/leaked-keys", {"key": "x"}, content_type="application/json")
    assert other.status_code == 202


@pytest.mark.django_db(transaction=True)  # threads count outside of a test's own transaction, and must leave nothing
def test_thirty_a_minute_exactly_under_load():
    answers = in_threads(40, lambda _number: report("garbage").status_code)
    assert sorted(answers) == [202] * 30 + [429] * 10


def test_plain_http_is_refused_where_the_portal_has_https(settings):
    settings.HTTPS = True
    assert report("x").json()["code"] == "https_required"


# Nothing of the key is kept


@pytest.mark.parametrize(
    "where",
    ["found {key} here", "https://x.example/?k={key}", "https://x.example/{encoded}", "{secret}", "{secret_upper}",
     "x{key}y", "part: {half}", "ipk_ {secret}", "two\nlines\t{key}"],
)  # fmt: skip
def test_the_place_is_kept_without_the_key(acme, acme_key, where):
    text = acme_key.text
    encoded = "".join(f"%{ord(letter):02x}" for letter in text)
    place = where.format(
        key=text, encoded=encoded, secret=text[16:48], secret_upper=text[16:48].upper(), half=text[20:36]
    )
    report(text, where=place)
    kept = AuditEntry.objects.get(action="api_key.leaked").changes["where"][1]
    everything = json.dumps([kept, Notice.objects.get().params, published("api_key.leaked")]).lower()
    assert text[20:36].lower() not in everything and encoded[60:120] not in everything
    assert "\n" not in kept and "\t" not in kept and ("[redacted]" in kept or kept.endswith("=••••"))


def test_other_secrets_of_the_place_are_not_kept_either(acme_key):
    other, key = new_key("ipk_").plaintext, parse_key(acme_key.text)
    assert other[16:] not in without_key(f"beside {other}", key)
    assert without_key("https://jo:hunter2@git.example/a%20d?b=c%20d", key) == "https://git.example/a%20d?b=••••"
    assert without_key("https://jo:hun@ter2@git.example/a@b", key) == "https://git.example/a@b"
    assert without_key(WHERE, key) == WHERE and without_key("", key) == ""
    assert len(without_key("ipk_" + "é" * 499, key)) <= 500


def test_the_place_reads_as_it_is_written(acme_key):
    key = parse_key(acme_key.text)
    assert without_key("https://x.example/a\u202egpj\u200b.exe", key) == "https://x.example/a gpj .exe"
    shown = without_key(f"see%20%E2%80%AEthis%0A{acme_key.text}", key)
    assert not INVISIBLE_CHARACTERS.search(shown)


def test_the_reported_key_is_stored_nowhere(acme, acme_key, ada):
    stream = io.StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        canary = acme_key.text
        shown = [report(canary, where=f"{WHERE}?{canary}"), report(canary, **{canary: 1}), report(f"{canary}x"),
                 Api().post("/v1/leaked-keys", {"key": "x", "where": canary * 10}),
                 Api().post(f"/v1/leaked-keys?key={canary}", {"key": canary})]  # fmt: skip
        Client().post(
            "/v1/leaked-keys", {"key": canary}, content_type="application/json", headers={"User-Agent": canary}
        )
        mail_notices()
        send_due_mail()
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
    rows = [repr(row) for model in apps.get_models() for row in model._base_manager.values()]
    kept = [*rows, stream.getvalue(), *(answer.content.decode() for answer in shown)]
    kept += [message.message().as_string() for message in mail.outbox]
    assert [text for text in kept if canary[16:48] in text or canary in text] == []
    assert "api_key.leaked" in "".join(rows) and mail.outbox
    assert RefusedCalls.objects.exists()


def test_it_tells_the_caller_in_the_process_alone_whether_there_is_such_a_key(acme_key):
    assert report_leak(actor=system(), plaintext=acme_key.text) is True
    assert report_leak(actor=system(), plaintext=new_key("ipk_").plaintext) is False

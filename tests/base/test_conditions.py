"""Conditional requests: what an ETag identifies, and how headers are parsed and compared."""

import time

import pytest
from django.utils import timezone

from apps.api_keys import actions as key_actions
from apps.audit.calls import group_commit
from apps.audit.models import ApiCall, AuditEntry, LastUse
from apps.base.actor import system
from apps.base.errors import Invalid
from apps.base.rest.etags import parse_etags
from apps.webhooks.models import Delivery, DeliveryStatus, Endpoint, Event
from tests.engines import add_deliveries, make_endpoint
from tests.sdk_keys.conftest import make_sdk_key  # noqa: F401 - a fixture

LONG = "AAAAAAAAAAAAAAAA.BBBBBBBBBBBBBBBB"
STALE = '"AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAA"'


def first_part(tag: str) -> str:
    return tag.strip('"').partition(".")[0]


# The headers


@pytest.mark.pure
@pytest.mark.parametrize(
    ("value", "tags"),
    [
        (f'"{LONG}-br", "AAAAAAAAAAA-gzip"', {LONG, "AAAAAAAAAAA-gzip"}),
        (f'"{LONG};gzip"', {LONG}),
        ('"a"', {"a"}),
        ('"a","b" , "c"', {"a", "b", "c"}),
        (', ,"a",,', {"a"}),
        ('W/"a", "b"', {"a", "b"}),
        ('"a,b", ""', {"a,b", ""}),
        ('"\xe9!#~"', {"\xe9!#~"}),
        (" * ", None),
        ('"AAAAAAAAAAAAAA-_-gzip"', {"AAAAAAAAAAAAAA-_"}),
        ('W/"AAAAAAAAAAAAAAAA.BBBBBBBBBBBBBB-g--gzip"', {"AAAAAAAAAAAAAAAA.BBBBBBBBBBBBBB-g"}),
    ],
)
def test_lists_of_tags(value, tags):
    assert parse_etags("If-Match", value) == tags


@pytest.mark.pure
@pytest.mark.parametrize(
    "value", ["", ",", "a", '"a', 'a"', '"a" "b"', '"a"x', 'w/"a"', 'W/ "a"', '"a b"', '"a", *', "**", '"\x7f"', "'a'"]
)
def test_malformed_lists_are_named(value):
    with pytest.raises(Invalid) as refused:
        parse_etags("If-Match", value)
    assert list(refused.value.fields) == ["If-Match"]


@pytest.mark.pure
@pytest.mark.parametrize("piece", [" ", ",", '"a"', '"a",', "\t,", 'W/"'])
def test_a_long_list_takes_no_long_time(piece):
    started = time.thread_time()
    for end in ("", "x"):
        try:
            parse_etags("If-Match", piece * (64_000 // len(piece)) + end)
        except Invalid:
            continue
    assert time.thread_time() - started < 1


# Reads


@pytest.mark.django_db
@pytest.mark.parametrize("accept", ["application/json, text/plain, */*", "application/*;q=0.5", "application/json;q=1"])
def test_it_is_the_same_however_the_caller_asks_for_json(accept, api, acme_key, vera):
    ours, path = api(acme_key), f"/v1/users/{vera.public_id}"
    plain, read = ours.get(path), ours.get(path, headers={"Accept": accept})
    assert (read["ETag"], read["Content-Type"]) == (plain["ETag"], "application/json")
    assert ours.get(path, headers={"Accept": accept, "If-None-Match": plain["ETag"]}).status_code == 304
    assert ours.get(path, headers={"Accept": accept, "If-Match": STALE}).status_code == 412
    assert ours.get(path, headers={"Accept": accept, "If-Match": "a"}).status_code == 400
    change = ours.put(path, {"name": "Vera Two"}, headers={"Accept": accept, "If-Match": plain["ETag"]})
    assert change.status_code == 200 and change["ETag"] == ours.get(path)["ETag"]


@pytest.mark.django_db
def test_a_read_that_is_known_already(api, acme_key, vera):
    ours, path = api(acme_key), f"/v1/users/{vera.public_id}"
    tag = ours.get(path)["ETag"]
    suffixed = tag.removesuffix('"') + '-gzip"'
    for header in (tag, f"W/{tag}", suffixed, f"W/{suffixed}", f'"other", {tag}', "*"):
        assert ours.get(path, headers={"If-None-Match": header}).status_code == 304, header
        assert ours.head(path, headers={"If-None-Match": header}).status_code == 304, header
    for header in ('"other"', f'"{first_part(tag)}.AAAAAAAAAAAAAAAA"'):
        assert ours.get(path, headers={"If-None-Match": header}).status_code == 200, header
    bad = ours.get(path, headers={"If-None-Match": tag.strip('"')})
    assert (bad.status_code, list(bad.json()["fields"])) == (400, ["If-None-Match"])
    assert ours.head(path)["ETag"] == tag


@pytest.mark.django_db
def test_a_read_under_a_condition(api, acme_key, vera):
    ours, path = api(acme_key), f"/v1/users/{vera.public_id}"
    tag = ours.get(path)["ETag"]
    assert ours.get(path, headers={"If-Match": tag}).status_code == 200
    assert ours.get(path, headers={"If-Match": STALE}).json()["code"] == "precondition_failed"
    for untagged in ("/v1/me", "/v1/usage"):
        assert list(ours.get(untagged, headers={"If-Match": tag}).json()["fields"]) == ["If-Match"]
        assert ours.get(untagged, headers={"If-None-Match": "*"}).status_code == 200


@pytest.mark.django_db
def test_a_list_has_another_tag_when_its_headers_have(api, acme_key, ada, vera, person, acme):
    ours = api(acme_key)
    first = ours.get("/v1/users?limit=1")
    person("Later", acme)
    second = ours.get("/v1/users?limit=1", headers={"If-None-Match": first["ETag"]})
    assert second.json() == first.json() and second["X-Total-Count"] != first["X-Total-Count"]
    assert second.status_code == 200 and second["ETag"] != first["ETag"]


@pytest.mark.django_db
def test_a_poll_sees_the_next_delivery(api, acme_key, acme):
    ours, endpoint = api(acme_key), make_endpoint(acme)
    tag = ours.get("/v1/deliveries")["ETag"]
    assert ours.get("/v1/deliveries", headers={"If-None-Match": tag}).status_code == 304
    add_deliveries(endpoint, 1)
    seen = ours.get("/v1/deliveries", headers={"If-None-Match": tag})
    assert seen.status_code == 200 and len(seen.json()) == 1


@pytest.mark.django_db(transaction=True)
def test_a_304_counts_and_is_logged_like_every_call(api, acme_key, acme):
    ours = api(acme_key)
    first = ours.get("/v1/event-types")
    again = ours.get("/v1/event-types", headers={"If-None-Match": first["ETag"], "X-Request-ID": "polled-once"})
    assert again.status_code == 304 and again["X-Request-ID"] == "polled-once"
    assert int(again["RateLimit-Remaining"]) == int(first["RateLimit-Remaining"]) - 1
    group_commit.stop()
    row = ApiCall.objects.get(request_id="polled-once")
    assert (row.status, row.code, row.route) == (304, "", "/v1/event-types")
    assert ours.get(f"/v1/api-keys/{acme_key.row.public_id}/usage").json()["by_status"]["2xx"] == 2
    (shown,) = ours.get("/v1/audit-log?request_id=polled-once").json()
    assert (shown["outcome"], shown["http"]["status"]) == ("success", 304)


@pytest.mark.django_db
def test_people_get_pages_without_tags(browser_of, ada):
    browser = browser_of(ada)
    page = browser.get("/v1/users", headers={"Accept": "text/html"})
    assert page.status_code == 200 and "ETag" not in page
    again = browser.get("/v1/users", headers={"Accept": "text/html", "If-None-Match": "*"})
    assert again.status_code == 200 and again.content


# Changes


@pytest.mark.django_db
def test_a_chain_of_changes_by_the_tags_that_come_back(api, acme_key, admin_key, acme, vera, make_sdk_key):  # noqa: F811
    # Not by the key that is changed: that would show it another last use each second.
    ours, endpoint, sdk_key = api(admin_key), make_endpoint(acme), make_sdk_key()
    objects = {
        f"/v1/users/{vera.public_id}": [{"name": "V"}, {"email": "v@acme.example"}],
        f"/v1/api-keys/{acme_key.row.public_id}": [{"name": "K"}, {"allowed_networks": ["127.0.0.0/8"]}],
        f"/v1/webhook-endpoints/{endpoint.public_id}": [{"description": "E"}, {"headers": {"X-Team": "blue"}}],
        f"/v1/sdk-keys/{sdk_key.row.public_id}": [{"name": "S"}, {"activation_limit": 5}],
    }
    for path, changes in objects.items():
        tags = [ours.get(path)["ETag"]]
        for change in changes:
            answer = ours.patch(path, change, headers={"If-Match": tags[-1]})
            assert answer.status_code == 200, (path, answer.content)
            assert answer["ETag"] == ours.get(path)["ETag"]
            tags.append(answer["ETag"])
        assert len(set(tags)) == 3, path
        for tag in tags[:-1]:
            late = ours.patch(path, changes[0], headers={"If-Match": tag})
            assert (late.status_code, late.json()["code"]) == (412, "precondition_failed"), path
        assert ours.patch(path, changes[0], headers={"If-Match": f"W/{tags[-2]}"}).status_code == 412
        compressed = f"W/{tags[-1]}", tags[-1].removesuffix('"') + '-gzip"'
        for header in compressed:
            assert ours.get(path, headers={"If-Match": header}).status_code == 200, header
        assert ours.patch(path, changes[0], headers={"If-Match": f"{STALE}, {compressed[0]}"}).status_code == 200
        assert ours.patch(path, changes[0], headers={"If-Match": "*"}).status_code == 200


@pytest.mark.django_db
def test_a_refused_change_leaves_nothing(api, acme_key, acme, vera, mailoutbox):
    entries, events = AuditEntry.objects.count(), Event.objects.count()
    path = f"/v1/users/{vera.public_id}"
    answer = api(acme_key).patch(path, {"email": "v@acme.example"}, headers={"If-Match": STALE})
    assert set(answer.json()) == {"error", "code", "request_id", "docs"} and "ETag" not in answer
    assert api(acme_key).delete(path, headers={"If-Match": STALE}).status_code == 412
    vera.refresh_from_db()
    assert vera.email == "vera@acme.example"
    assert (AuditEntry.objects.count(), Event.objects.count()) == (entries, events)


@pytest.mark.django_db
def test_use_is_no_change(api, acme_key, acme, ada, vera):
    """A busy key, a failing endpoint and a user who signs in can still be changed with an ETag."""
    endpoint, ours = make_endpoint(acme), api(acme_key)
    paths = {
        f"/v1/api-keys/{acme_key.row.public_id}": {"name": "Used"},
        f"/v1/webhook-endpoints/{endpoint.public_id}": {"description": "Used"},
        f"/v1/users/{vera.public_id}": {"name": "Used"},
    }
    tags = {path: ours.get(path)["ETag"] for path in paths}
    LastUse.objects.update_or_create(pk=acme_key.row.pk, defaults={"at": timezone.now(), "address": "203.0.113.9"})
    add_deliveries(endpoint, 1)
    Delivery.objects.update(status=DeliveryStatus.HELD)
    Endpoint.objects.update(failures_in_a_row=10, health="failing", failing_since=timezone.now())
    vera.session_epoch += 1
    vera.updated_at = None
    vera.save(update_fields=["session_epoch", "updated_at"])
    for path, change in paths.items():
        changed = ours.get(path, headers={"If-None-Match": tags[path]})
        # The second of ``updated_at`` may be the same one still.
        assert changed.status_code == 200 or "/users/" in path, path
        assert ours.patch(path, change, headers={"If-Match": tags[path]}).status_code == 200, path


@pytest.mark.django_db
def test_what_the_portal_decides_is_a_change(api, acme_key, acme):
    endpoint, ours = make_endpoint(acme), api(acme_key)
    path = f"/v1/webhook-endpoints/{endpoint.public_id}"
    tag = ours.get(path)["ETag"]
    Endpoint.objects.update(status="disabled", disabled_reason="gone")
    assert ours.post(f"{path}/enable", {}, headers={"If-Match": tag}).status_code == 412


@pytest.mark.django_db
def test_a_hidden_change_is_a_change(api, acme_key, acme):
    """The response stays the same: its header values are masked, and it has no secrets."""
    ours = api(acme_key)
    path = f"/v1/webhook-endpoints/{make_endpoint(acme, headers={'X-Team': 'blue'}).public_id}"
    tag = ours.get(path)["ETag"]
    changed = ours.patch(path, {"headers": {"X-Team": "red"}})
    assert changed.json() == ours.get(path).json() and first_part(changed["ETag"]) != first_part(tag)
    assert ours.post(f"{path}/rotate-secret", {}, headers={"If-Match": tag}).status_code == 412
    rotated = ours.post(f"{path}/rotate-secret", {}, headers={"If-Match": changed["ETag"]})
    assert rotated.status_code == 200 and "ETag" not in rotated
    assert ours.post(f"{path}/rotate-secret", {}, headers={"If-Match": changed["ETag"]}).status_code == 412


@pytest.mark.django_db
def test_answers_that_hold_a_secret_have_no_tag(api, admin_key, acme_key):
    made = api(admin_key).post("/v1/api-keys", {"name": "x", "type": "partner", "scopes": ["users:read"]})
    rotated = api(admin_key).post(f"/v1/api-keys/{acme_key.row.public_id}/rotate", {})
    hook = api(admin_key).post("/v1/webhook-endpoints", {"url": "https://hooks.acme.example/", "event_types": ["*"]})
    for answer in (made, rotated, hook):
        assert answer.status_code == 201 and "ETag" not in answer
        assert answer["Cache-Control"] == "no-store, private"


@pytest.mark.django_db
def test_a_taken_address_and_a_scope_of_somebody_else_come_before_the_condition(
    api, acme_key, make_key, ada, vera, acme
):
    taken = api(acme_key).patch(f"/v1/users/{vera.public_id}", {"email": ada.email}, headers={"If-Match": STALE})
    assert (taken.status_code, list(taken.json()["fields"])) == (400, ["email"])
    owner = api(acme_key).patch(f"/v1/users/{ada.public_id}", {"name": "x"}, headers={"If-Match": STALE})
    assert (owner.status_code, owner.json()["code"]) == (403, "forbidden")
    path = f"/v1/api-keys/{make_key(acme, 'users:read').row.public_id}"
    more = api(acme_key).patch(path, {"scopes": ["admin"]}, headers={"If-Match": STALE})
    assert (more.status_code, list(more.json()["fields"])) == (400, ["scopes"])
    hook = f"/v1/webhook-endpoints/{make_endpoint(acme).public_id}"
    url = api(acme_key).patch(hook, {"url": "https://10.0.0.1/"}, headers={"If-Match": STALE})
    assert (url.status_code, list(url.json()["fields"])) == (400, ["url"])


@pytest.mark.django_db
def test_the_condition_comes_before_the_state(api, admin_key, acme_key, acme):
    path = f"/v1/api-keys/{acme_key.row.public_id}"
    tag = api(admin_key).get(path)["ETag"]
    key_actions.revoke_key(actor=system(acme.pk), key_id=acme_key.row.public_id)
    assert api(admin_key).patch(path, {"name": "x"}, headers={"If-Match": tag}).status_code == 412
    assert api(admin_key).patch(path, {"name": "x"}).json()["code"] == "conflict"


@pytest.mark.django_db
def test_a_repeat_gets_the_first_answer_whatever_changed_since(api, admin_key, acme_key):
    path = f"/v1/api-keys/{acme_key.row.public_id}/disable"
    tag = api(admin_key).get(path.removesuffix("/disable"))["ETag"]
    late = {"If-Match": STALE, "Idempotency-Key": "one"}
    assert api(admin_key).post(path, {}, headers=late).status_code == 412
    # A 412 is not kept: the same key goes on to the first answer that is.
    good = {"If-Match": tag, "Idempotency-Key": "one"}
    first, again = (api(admin_key).post(path, {}, headers=good) for _ in range(2))
    assert (first.status_code, again.status_code) == (200, 200)
    assert again["Idempotency-Replayed"] == "true" and again.json() == first.json()
    assert "ETag" in first and "ETag" not in again
    assert api(admin_key).post(path, {}, headers={"If-Match": tag}).status_code == 412

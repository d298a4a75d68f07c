"""The inventory: what is found, and the file that no spreadsheet executes."""

import csv
import io
from datetime import timedelta

import pytest
from django.utils import timezone

from apps.api_keys import actions
from apps.api_keys.models import ApiKey
from apps.audit.models import LastUse, UsageDay
from apps.base.actor import system
from tests.api_keys.forms import HERE, page_of, text_of

pytestmark = pytest.mark.django_db
PAGE, FILE = HERE + "inventory/", HERE + "inventory.csv"


@pytest.fixture
def browser(browser_of, vera):
    return browser_of(vera)  # a viewer sees all of it


def use(key, scopes, days_ago=1):
    at = timezone.now() - timedelta(days=days_ago)
    LastUse.objects.update_or_create(credential_id=key.pk, defaults={"at": at, "address": "203.0.113.7"})
    UsageDay.objects.create(
        organization_id=key.organization_id, credential_id=key.pk, day=at.date(), method="GET", route="/v1/users",
        status_class="2xx", scopes=scopes, calls=1, last_at=at,
    )  # fmt: skip


def found(browser, finding):
    page = browser.get(f"{PAGE}?finding={finding}").content.decode()
    return [key.name for key in ApiKey.objects.order_by("pk") if page_of(key) in page]


def table(browser):
    answer = browser.get(FILE)
    text = answer.getvalue().decode()
    assert text[0] == "\ufeff"
    return answer, list(csv.DictReader(io.StringIO(text[1:], newline="")))


def test_each_finding(browser, make_key, acme):
    narrow = make_key(acme, "users:read", name="Fine", allowed_networks=["203.0.113.0/24"]).row
    make_key(acme, "users:read", name="For ever", lifetime=actions.Lifetime(never=True))
    wide = make_key(acme, "users:write", "orders:read", "webhooks:read", name="Wide").row
    admin = make_key(acme, "admin", type="internal", name="Admin").row
    old = make_key(acme, "users:read", name="Old").row
    ApiKey.objects.filter(pk=old.pk).update(created_at=timezone.now() - timedelta(days=90))
    use(narrow, "users:read")
    use(wide, "orders:read users:read")
    use(wide, "webhooks:read", days_ago=91)
    use(admin, "users:read")
    assert found(browser, "never_expires") == ["For ever"]
    assert found(browser, "unused_scopes") == ["Wide", "Admin"]
    assert "users:write, webhooks:read" in text_of(browser.get(PAGE))
    assert found(browser, "any_network") == ["For ever", "Wide", "Admin", "Old"]
    assert found(browser, "too_old") == ["Old"]
    assert found(browser, "never_used") == ["For ever", "Old"]
    assert len(found(browser, "")) == 5


def test_ended_keys_are_in_the_file_alone(browser, make_key, acme):
    key = make_key(acme, "users:read", name="Ended").row
    actions.revoke_key(actor=system(acme.pk), key_id=key.public_id, reason="Gone")
    assert found(browser, "") == []
    assert "No live key" in text_of(browser.get(PAGE))
    row = table(browser)[1][0]
    assert (row["status"], row["status_reason"], row["findings"]) == ("revoked", "Gone", "")


def test_no_key_with_a_finding(browser, acme_key):
    assert "No key with this finding" in text_of(browser.get(PAGE + "?finding=too_old"))


def test_the_file_holds_masks_and_no_secret(browser, acme_key, rival_key):
    answer, rows = table(browser)
    assert answer["Content-Type"] == "text/csv; charset=utf-8" and answer.streaming
    assert answer["Content-Disposition"].startswith('attachment; filename="api-keys-acme-')
    assert [row["id"] for row in rows] == [acme_key.row.public_id]
    assert rows[0]["mask"] == acme_key.row.mask and rows[0]["scopes"].split() == acme_key.row.scopes
    assert acme_key.text[4:] not in str(rows) and acme_key.row.digest not in str(rows)


def test_a_row_is_the_object_of_the_api(browser, api, admin_key, make_key, acme):
    key = make_key(acme, "users:read", "orders:read", name="Old", allowed_networks=["203.0.113.0/24"]).row
    make_key(acme, "orders:read", type="client", name="For a client", subject="C-1")
    use(key, "users:read")
    actions.rotate_key(actor=system(acme.pk), key_id=key.public_id)
    shown = {each["id"]: each for each in api(admin_key).get("/v1/api-keys").json()}
    rows = [row for row in table(browser)[1] if row["id"] != admin_key.row.public_id]
    assert len(rows) == 3 and {row["replaced_by"] for row in rows} & {row["id"] for row in rows}
    alike = ["name", "type", "status", "mask", "subject", "created_at", "expires_at", "last_used_at", "last_used_from"]
    alike += ["replaces", "replaced_by"]
    for row in rows:
        written = shown[row["id"]]
        assert {name: row[name] for name in alike} == {name: written[name] or "" for name in alike}
        assert (row["scopes"].split(), row["allowed_networks"].split()) == (
            written["scopes"],
            written["allowed_networks"],
        )
        assert (row["limit_minute"], row["limit_hour"]) == tuple(map(str, written["limits"].values()))
        assert row["created_by"] == written["created_by"]["label"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\uff1d1", "a;=1", "'=1", ' "=1"'])
def test_no_cell_is_a_formula(browser, make_key, acme, text):
    make_key(acme, "orders:read", type="client", name=text, subject=text)
    row = table(browser)[1][0]
    assert row["name"] != text.strip() or text == ' "=1"'
    assert row["name"].lstrip()[0] not in "=+-@\uff1d" and row["subject"].lstrip()[0] not in "=+-@\uff1d"


def test_many_keys_in_few_queries(browser, make_key, acme, django_assert_max_num_queries):
    for number in range(12):
        make_key(acme, "users:read", name=f"Key {number}")
    with django_assert_max_num_queries(30):
        browser.get(PAGE)
        assert len(table(browser)[1]) == 12

"""The operators' pages: every model is there or left out for a reason, no page counts or shows a secret, none is slow.

Plans are looked at on a few rows: what matters is that a list walks an index, and so does every search.
"""

import re
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.api_keys.models import KeyType, Scope
from apps.audit.models import AuditEntry, LastUse, RefusedCalls, UsageDay, UsageHour
from apps.audit.operator_admin import AuditedAdmin, ReadOnlyAdmin
from apps.base.crypto.encrypted_fields import EncryptedTextField
from apps.base.text.redaction import SECRET_WORDS
from apps.orgs.models import OutgoingMail, User
from apps.webhooks.models import Endpoint, EndpointSecret, EventType
from integrations_portal.admin_site.site import UNREGISTERED_MODELS
from tests.conftest import PASSWORD, Key
from tests.conventions.routes import routes_for

pytestmark = pytest.mark.django_db

SITE = admin.site
PAGES = sorted(SITE._registry.values(), key=lambda page: page.model._meta.label)
each = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.model._meta.label)
# Tables that an organization or a stranger makes longer without end.
LONG = {
    "audit.AuditEntry", "audit.ApiCall", "audit.UsageHour", "audit.UsageDay", "audit.RefusedCalls", "audit.LastUse",
    "webhooks.Delivery", "webhooks.Attempt", "webhooks.Event", "webhooks.AttemptHour", "notices.Notice",
    "orgs.OutgoingMail", "orgs.User", "orgs.Membership", "credentials.IdempotencyRecord", "api_keys.ApiKey",
}  # fmt: skip
# Kept by the product and shown to nobody, whatever their names.
HIDDEN = {
    "headers", "secret", "body", "digest", "password", "session_digest", "token", "lookup", "body_digest", "answer",
    "request_headers", "response_headers", "response_body", "lease_token", "budget_id", "pepper_id",
}  # fmt: skip


def path_of(page: Any, what: str = "changelist", *arguments: Any) -> str:
    opts = page.model._meta
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{what}", args=arguments)


def test_every_model_has_its_page_or_a_reason():
    registered = {page.model._meta.label for page in PAGES}
    every = {model._meta.label for model in apps.get_models()}
    assert every - registered - set(UNREGISTERED_MODELS) == set()
    assert registered & set(UNREGISTERED_MODELS) == set() and set(UNREGISTERED_MODELS) <= every
    assert [reason for reason in UNREGISTERED_MODELS.values() if not reason.endswith(".")] == []
    assert registered >= LONG


@each
def test_a_page_is_of_one_of_the_two_kinds_and_keeps_their_rules(page):
    assert isinstance(page, (ReadOnlyAdmin, AuditedAdmin))
    assert not page.date_hierarchy and not page.show_full_result_count and not page.actions
    assert page.list_select_related is not True and page.fields is not None or page.form is not admin.ModelAdmin.form
    shown = {name for name in page.list_display if _is_foreign_key(page.model, name)}
    assert shown <= set(page.list_select_related or ())
    # Filters by words of the code only: one by rows of another table would list them all.
    for name in page.list_filter:
        field = page.model._meta.get_field(name)
        assert field.choices or isinstance(field, models.BooleanField), name
    editable = [field for field in page.model._meta.fields if field.is_relation] if _may_change(page) else []
    assert {field.name for field in editable} <= {*page.autocomplete_fields, *page.raw_id_fields}


@each
def test_no_page_shows_what_is_kept_secret(page):
    shown = {str(name) for name in (*(page.fields or ()), *page.list_display, *page.readonly_fields)}
    assert shown & HIDDEN == set()
    for field in page.model._meta.fields:
        if isinstance(field, EncryptedTextField) or field.name.rpartition("_")[2] in SECRET_WORDS - {"key"}:
            assert field.name not in shown
    assert not isinstance(page, ReadOnlyAdmin) or page.fields is not None, "say which fields"


def _is_foreign_key(model: Any, name: str) -> bool:
    return name in {field.name for field in model._meta.fields if field.is_relation}


def _may_change(page: Any) -> bool:
    return isinstance(page, AuditedAdmin)


# With rows in the tables


@pytest.fixture
def filled(samples, acme, ada):
    """A row in every table that the samples leave empty."""
    organization, key = acme, samples.rows["key"]
    now = key.created_at
    used = {"organization": organization, "method": "GET", "route": "/v1/users", "status_class": "2xx", "last_at": now}
    UsageHour.objects.create(hour=now, credential_id=key.pk, calls=3, **used)
    UsageDay.objects.create(day=now.date(), credential_id=key.pk, calls=3, **used)
    LastUse.objects.create(credential_id=key.pk, at=now)
    RefusedCalls.objects.create(address="203.0.113.9", minute=now, code="invalid_api_key", calls=1)
    return samples


@pytest.fixture
def olga(working_operator: User, browser_of: Any) -> Client:
    return browser_of(working_operator)


def test_a_list_asks_few_questions_counts_nothing_whole_and_reads_no_long_text(filled, olga):
    olga.get("/admin/")  # the session's first request notes that it was seen
    for page in PAGES:
        with CaptureQueriesContext(connection) as queries:
            assert olga.get(path_of(page)).status_code == 200
        assert len(queries) <= 14, [query["sql"] for query in queries]
        own = [query["sql"] for query in queries if page.model._meta.db_table in query["sql"]]
        assert all("LIMIT 2000" in statement for statement in own if "COUNT(" in statement.upper()), own
        assert not any('."body"' in statement or '."headers"' in statement for statement in own), own


def test_a_list_does_not_ask_a_question_for_each_row(filled, olga, make_key, acme):
    olga.get("/admin/")
    numbers = []
    for more in (0, 5):
        for number in range(more):
            make_key(acme, name=f"Key {number}")
        with CaptureQueriesContext(connection) as queries:
            olga.get("/admin/api_keys/apikey/")
        numbers.append(len(queries))
    assert numbers[0] == numbers[1]


def term_for(reading: str, samples: Any) -> str:
    """Something that the reading finds nothing by, of its own form: the whole index is asked."""
    ids = {
        "organization": "acme",
        "credential": "key",
        "endpoint": "endpoint",
        "event": "event",
        "delivery": "delivery",
    }
    kind = reading.partition("@")[0]
    if kind == "organization":
        return "acme"
    if kind in ids:
        return samples.rows[ids[kind]].public_id
    return {"user": "user_" + "0" * 22, "id": "1", "mask": "ipk_0000"}.get(kind, "nobody@nowhere.example")


def bad_plans(statement: str, table: str, may_walk: bool) -> list[str]:
    """What is wrong with how SQLite would answer: a walk over the whole table, or all of it sorted."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
        steps = [row[-1] for row in cursor.fetchall()]
    walks = [step for step in steps if re.match(rf"SCAN {table}\b", step)]
    sorts = [step for step in steps if "TEMP B-TREE" in step]
    fine = not walks or (may_walk and not sorts and "DISTINCT" not in statement)
    return [] if fine else [*steps, statement]


def test_lists_and_searches_of_long_tables_walk_an_index(filled, olga):
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL plans by figures that a few rows do not give; see benchmarks/operator_pages.py")
    for page in (page for page in PAGES if page.model._meta.label in LONG):
        table = page.model._meta.db_table
        for term in ("", *(term_for(reading, filled) for reading in page.search_fields)):
            with CaptureQueriesContext(connection) as queries:
                assert olga.get(path_of(page), {"q": term}).status_code == 200
            for query in queries:
                if f'FROM "{table}"' in query["sql"]:
                    # Without a search the newest rows are walked, up to the limit; a search goes straight to them.
                    assert bad_plans(query["sql"], table, may_walk=term == "") == [], term


def test_every_page_opens_for_an_operator_and_for_nobody_else(filled, olga, browser_of, ada, working_operator):
    strangers = (browser_of(ada), Client(), browser_of(working_operator, second_step=False))
    for page in PAGES:
        pk = page.model._base_manager.values_list("pk", flat=True).first()
        changing = [path_of(page, "add")]
        if pk is not None:
            changing += [path_of(page, "change", pk), path_of(page, "delete", pk)]
        for path in (path_of(page), *changing):
            assert olga.get(path).status_code in (200, 403), path
        for path in changing if isinstance(page, ReadOnlyAdmin) else ():
            assert olga.post(path, {"post": "yes"}).status_code == 403, path
        for browser in strangers:
            assert browser.get(changing[-1]).status_code == browser.get(path_of(page)).status_code == 302, page


def test_every_address_of_the_site_asks_for_the_second_step(filled, browser_of, working_operator, ada):
    values = {"object_id": filled.rows["key"].pk, "content_type_id": 1, "app_label": "orgs", "url": "nowhere"}
    routes = routes_for("admin")
    half, others = browser_of(working_operator, second_step=False), routes[::9]
    for browser, some in ((half, routes), (browser_of(ada), others), (Client(), others)):
        for route in some:
            for method in ("get", "post"):
                answer = getattr(browser, method)(route.at(**values))
                assert answer.status_code in (302, 403, 404), (route.name, method)
                if answer.status_code == 302:
                    assert (
                        answer["Location"].startswith(("/admin/login/?", "/account/")) or route.name == "admin:logout"
                    )


def test_the_second_step_is_asked_for_again_after_a_day_of_work(browser_of, working_operator):
    browser = browser_of(working_operator)
    session = browser.session
    for record in session["account_authentication_methods"]:
        record["at"] -= 12 * 3600 + 1
    session.save()
    answer = browser.get("/admin/orgs/user/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/account/reauthenticate/?next=%2Fadmin%2Forgs%2Fuser%2F")


def test_the_sites_own_password_page_and_sign_out_are_the_portals(olga):
    assert olga.get("/admin/password_change/")["Location"] == "/account/password/change/"
    assert olga.get("/admin/logout/").status_code == 405
    assert olga.post("/admin/logout/")["Location"] == "/account/login/"
    assert olga.get("/admin/").status_code == 302


def test_autocomplete_finds_organizations_and_shows_none_to_others(olga, acme, rival, browser_of, ada):
    query = {"app_label": "api_keys", "model_name": "package", "field_name": "organization", "term": "acm"}
    assert [row["text"] for row in olga.get("/admin/autocomplete/", query).json()["results"]] == ["Acme Travel"]
    assert browser_of(ada).get("/admin/autocomplete/", query).status_code == 302


TERMS = ("\0", "x" * 300, "'; --", "%", "_", "key_" + "z" * 22, "999999999999999999999", "é", "🦀")
QUERIES = (
    "o=1.-2", "o=99", "p=99999", "all=", "e=1", "status__exact=nothing", "id__in=x", "organization__slug=acme",
    "_facets=True", "organization__exact=x",
)  # fmt: skip


def test_no_search_and_no_parameter_breaks_a_list(filled, olga):
    olga.raise_request_exception = False
    for number, page in enumerate(PAGES):
        # Every page with one of them, every one of them on some pages: the code is the same for all.
        term, query = TERMS[number % len(TERMS)], QUERIES[number % len(QUERIES)]
        assert olga.get(path_of(page), {"q": term}).status_code == 200, (page, term)
        assert olga.get(f"{path_of(page)}?{query}").status_code in (200, 302, 400, 403), (page, query)


FOUND = (
        ("orgs/organization", "acme"), ("orgs/organization", "Trav"), ("orgs/organization", "{organization}"),
        ("orgs/user", "ada@ac"), ("orgs/user", "{user}"), ("orgs/membership", "ada@acme.example"),
        ("orgs/membership", "acme"), ("api_keys/apikey", "{key}"), ("api_keys/apikey", "{mask}"),
        ("webhooks/endpoint", "{endpoint}"), ("webhooks/delivery", "{delivery}"), ("webhooks/delivery", "{endpoint}"),
        ("webhooks/delivery", "{event}"), ("webhooks/delivery", "acme"), ("webhooks/attempt", "{delivery}"),
        ("webhooks/event", "{event}"), ("webhooks/endpointsecret", "{endpoint}"), ("audit/auditentry", "{endpoint}"),
        ("audit/auditentry", "acme"), ("audit/usagehour", "acme"), ("audit/usagehour", "{key}"),
        ("audit/usageday", "acme"), ("audit/lastuse", "{key}"), ("audit/refusedcalls", "203.0.113.9"),
        ("notices/notice", "acme"), ("webhooks/replayjob", "{replay}"), ("api_keys/scope", "users:re"),
)  # fmt: skip


def test_what_is_searched_is_found_and_what_is_not_there_is_not(filled, olga, acme, ada, rival, zed):
    words = {name: row.public_id for name, row in filled.rows.items()}
    words |= {"user": ada.public_id, "organization": acme.public_id, "mask": filled.rows["key"].mask[:8]}
    for path, term in FOUND:
        found = olga.get(f"/admin/{path}/", {"q": term.format(**words)}).context["cl"]
        assert found.result_count >= 1 and len(found.result_list) == found.result_count, (path, term)
        assert all(getattr(row, "organization_id", acme.pk) == acme.pk for row in found.result_list), (path, term)
    for path in {path for path, _term in FOUND}:
        assert olga.get(f"/admin/{path}/", {"q": "nothing-of-that"}).context["cl"].result_count == 0


def test_a_list_ends_at_the_newest_rows_of_what_was_found(filled, olga, monkeypatch, acme):
    monkeypatch.setattr("apps.audit.operator_admin.newest_rows.MAX_ROWS", 3)
    newest = list(AuditEntry.objects.order_by("-pk").values_list("pk", flat=True)[:3])
    shown = olga.get("/admin/audit/auditentry/").context["cl"]
    assert [row.pk for row in shown.result_list] == newest and shown.result_count == 3
    # A filter looks through more, and through no more than that.
    AuditEntry.objects.bulk_create([AuditEntry(organization=acme, action="key_type.updated", outcome="denied")])
    AuditEntry.objects.bulk_create([AuditEntry(organization=acme, action="key_type.updated") for _ in range(4)])
    for looked_through, found in ((4, 0), (5, 1)):
        monkeypatch.setattr("apps.audit.operator_admin.newest_rows.SCANNED_ROWS", looked_through)
        shown = olga.get("/admin/audit/auditentry/", {"outcome__exact": "denied"}).context["cl"]
        assert shown.result_count == found


# Secrets


def test_no_page_of_the_operators_holds_a_secret(filled, olga, acme, acme_key: Key, ada, working_operator):
    """Every page of every row with canaries in each secret place: lists, forms, history, confirmations, searches."""
    OutgoingMail.objects.create(to=ada.email, subject="Welcome", body="https://portal.example/reset/CANARYOFTHELINK/")
    endpoint = Endpoint.objects.get()
    endpoint.headers = '{"X-Team":"CANARYOFTHEHEADER"}'
    endpoint.save()
    secrets = {
        "key": acme_key.text[16:48],
        "digest": acme_key.row.digest,
        "signing secret": EndpointSecret.objects.get().secret.removeprefix("whsec_"),
        "ciphertext": EndpointSecret.objects.get().__dict__["secret"][6:],
        "header": "CANARYOFTHEHEADER",
        "link": "CANARYOFTHELINK",
        "password": PASSWORD,
        "hash of a password": ada.password,
        "second factor": "CANARYOFTHESECONDFACTOR",
        "session": olga.session.session_key,
    }
    kind = KeyType.objects.create(name="spare", title="Spare")
    Scope.objects.create(name="spare:read", description="Spare")
    EventType.objects.create(name="spare.done", description="Spare")
    pages = [path_of(page) for page in PAGES] + ["/admin/", f"/admin/orgs/organization/{acme.pk}/look/"]
    for page in PAGES:
        for pk in page.model._base_manager.order_by("-pk").values_list("pk", flat=True)[:3]:
            pages += [path_of(page, what, pk) for what in ("change", "history", "delete")]
    leaks, opened = [], 0
    for path in pages:
        answer = olga.get(path)
        opened += answer.status_code == 200
        text = answer.content.decode()
        leaks += [(path, name) for name, secret in secrets.items() if secret in text]
    assert leaks == []
    assert opened > 2 * len(PAGES)
    assert olga.get(path_of(SITE._registry[KeyType], "delete", kind.pk)).status_code == 200
    page = olga.get(path_of(SITE._registry[Endpoint], "change", endpoint.pk)).content.decode()
    assert "X-Team" in page and "••••" in page
    assert acme_key.row.mask in olga.get("/admin/api_keys/apikey/").content.decode()
    person = olga.get(path_of(SITE._registry[User], "change", working_operator.pk)).content.decode()
    assert "TOTP" in person


def test_no_filter_reads_letter_by_letter_what_no_page_shows(filled, olga, ada):
    OutgoingMail.objects.create(to=ada.email, subject="Welcome", body="https://portal.example/reset/CANARY/")
    for path, query in (
        ("orgs/user", f"password__startswith={ada.password[:20]}"), ("orgs/user", "password__startswith=x"),
        ("orgs/outgoingmail", "body__contains=CANARY"), ("webhooks/endpoint", "headers__startswith=v1"),
        ("webhooks/endpointsecret", "secret__startswith=v1"), ("api_keys/apikey", "digest__startswith=0"),
        ("orgs/operatorlook", "session_digest__startswith=0"), ("webhooks/event", "body__contains=ORD"),
        ("orgs/membership", "user__password__startswith=argon2"), ("audit/auditentry", "organization__name=x"),
    ):  # fmt: skip
        assert olga.get(f"/admin/{path}/?{query}").status_code in (302, 400), query
    assert olga.get("/admin/webhooks/delivery/?status__exact=exhausted").status_code == 200


def test_a_whole_key_in_the_search_finds_it_and_is_not_repeated(filled, olga, acme_key):
    page = olga.get("/admin/api_keys/apikey/", {"q": f" {acme_key.text}"}, follow=True)
    assert page.context["cl"].result_count == 1
    assert acme_key.text[16:48] not in page.content.decode()


def test_the_history_of_a_numbered_row_is_not_that_of_another_kind(filled, olga, ada):
    row = OutgoingMail.objects.create(to=ada.email, subject="Welcome", body="x")
    AuditEntry.objects.create(
        organization=filled.rows["key"].organization, action="key_type.updated", target_kind="key_type",
        target_id=str(row.pk), actor_label="Somebody else",
    )  # fmt: skip
    page = olga.get(path_of(SITE._registry[OutgoingMail], "history", row.pk)).content.decode()
    assert "Somebody else" not in page and "has no entry" in page


def test_a_key_is_not_made_changed_or_deleted_here(olga, acme_key):
    start = "/admin/api_keys/apikey/"
    for path in (f"{start}add/", f"{start}{acme_key.row.pk}/change/", f"{start}{acme_key.row.pk}/delete/"):
        assert olga.post(path, {"name": "x", "post": "yes"}).status_code == 403
    acme_key.row.refresh_from_db()
    assert acme_key.row.name == "Acme's key"

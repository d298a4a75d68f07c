"""Fixtures and requests of benchmarks/operator_pages.py, which imports this module after Django's set-up."""

import argparse
import statistics
import time
from typing import Any

from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY
from allauth.mfa.models import Authenticator
from django.core.management import call_command
from django.db import connection, connections
from django.test import Client
from django.utils import timezone

from apps.api_keys.actions import create_key
from apps.audit.models import ApiCall, AuditEntry
from apps.base.actor import system
from apps.orgs.models import Organization, User
from apps.webhooks import actions
from apps.webhooks.models import Delivery, DeliveryStatus, Event

ORGANIZATIONS = 100
# Start of the generated ids, in milliseconds since 1970: before all rows that the portal creates now.
FIRST_ID_MS = 1_700_000_000_000


def run(options: argparse.Namespace) -> bool:
    """Create the fixtures, measure, print, and return whether all pages were fast enough."""
    call_command("migrate", verbosity=0)
    started = time.perf_counter()
    samples = fill(options.rows)
    print(f"{connection.vendor}: {options.rows:,} rows in each table, filled in {time.perf_counter() - started:.0f} s")
    browser, slow = signed_in(), []
    for name, path, text in [*((name, path, "") for name, path in pages(samples)), *searches(samples)]:
        measure_request(browser, path, text)  # warm-up
        both = [measure_request(browser, path, text) for _ in range(options.runs)]
        times, own = sorted(wall for wall, _cpu in both), statistics.median(cpu for _wall, cpu in both)
        middle, high = statistics.median(times), times[max(0, round(len(times) * 0.95) - 1)]
        mark = "  SLOW" if high > options.most else ""
        slow += [name] if mark else []
        print(f"{name:44} median {middle:6.1f}  p95 {high:6.1f} ms  CPU {own:6.1f}{mark}", flush=True)
    print("all within" if not slow else f"above {options.most:g} ms: {', '.join(slow)}")
    return not slow


def shut_down() -> None:
    connections.close_all()


def fill(rows: int) -> dict[str, Any]:
    """Create organizations and one row of each table, then multiply these rows with SQL."""
    organizations = [Organization.objects.create(name=f"Org {n}", slug=f"org-{n}") for n in range(ORGANIZATIONS)]
    endpoint, _secret = actions.create_endpoint(
        actor=system(organizations[0].pk), url="https://hooks.example.com/in", event_types=["*"]
    )
    now, first = timezone.now(), organizations[0]
    event = Event.objects.create(organization=first, type="order.created", body="{}", publisher="own", created_at=now)
    delivery = Delivery.objects.create(
        organization=first, endpoint=endpoint, event=event, event_type=event.type, created_at=now,
        status=DeliveryStatus.SUCCEEDED,
    )  # fmt: skip
    key, _text = create_key(actor=system(first.pk), key_type="partner", scopes=["users:read"], name="A key")
    call = ApiCall.objects.create(
        organization=first, at=now, actor_kind="api_key", actor_id=key.public_id, actor_label=key.name,
        credential_id=key.pk, method="GET", route="/v1/users", status=200, duration_ms=3, request_id="r" * 32,
    )  # fmt: skip
    entry = AuditEntry.objects.order_by("pk").first()
    number_organizations(organizations)
    multiply(Event, event, rows, {"client_id": "NULL"})
    multiply(Delivery, delivery, rows, {"status": "CASE WHEN n % 5000 = 1 THEN 'exhausted' ELSE 'succeeded' END",
                                        "event_id": row_id("n")})  # fmt: skip
    multiply(ApiCall, call, rows, {"request_id": text_of("'request-'", "n")})
    multiply(AuditEntry, entry, rows, {"target_id": text_of("'target-'", "n % 50000"), "outcome": "'success'",
                                       "request_id": text_of("'request-'", "n")})  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    middle = {
        model: model.objects.filter(pk=id_of(rows // 2)).get() for model in (Event, Delivery, ApiCall, AuditEntry)
    }
    return {
        "organization": organizations[7].slug,
        "endpoint": endpoint,
        "key": key,
        **{m.__name__: r for m, r in middle.items()},
    }


def number_organizations(organizations: list[Organization]) -> None:
    """Create a table with the organization of each number."""
    kind = "uuid" if connection.vendor == "postgresql" else "char(32)"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE numbered (number integer PRIMARY KEY, id {kind})")
        for number, each in enumerate(organizations):
            key = each.pk if connection.vendor == "postgresql" else each.pk.hex
            cursor.execute("INSERT INTO numbered VALUES (%s, %s)", [number, key])


def multiply(model: Any, row: Any, rows: int, values: dict[str, str]) -> None:
    """Insert copies of a row with other ids, and with ``values``, which are SQL expressions of ``n``."""
    columns = [field.column for field in model._meta.concrete_fields]
    own = {
        "id": row_id("n"),
        "organization_id": f"(SELECT id FROM numbered WHERE number = n % {ORGANIZATIONS})",
        **values,
    }
    chosen = ", ".join(own.get(column, f't."{column}"') for column in columns)
    series = (
        f"(SELECT generate_series(1, {rows}) AS n) AS s"
        if connection.vendor == "postgresql"
        else f"(WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {rows}) SELECT n FROM c) AS s"
    )
    key = row.pk if connection.vendor == "postgresql" else row.pk.hex
    names = ", ".join(f'"{column}"' for column in columns)
    with connection.cursor() as cursor:
        table = model._meta.db_table
        statement = f"INSERT INTO {table} ({names}) SELECT {chosen} FROM {table} t, {series} WHERE t.id = %s"
        cursor.execute(statement.replace(" % ", " %% "), [key])


def row_id(number: str) -> str:
    """Return SQL for the UUID of version 7 of the n-th row; ids increase with n."""
    if connection.vendor == "postgresql":
        return (
            f"(lpad(to_hex({FIRST_ID_MS} + {number}), 12, '0') || '70008000' || lpad(to_hex({number}), 12, '0'))::uuid"
        )
    return f"(printf('%%012x', {FIRST_ID_MS} + {number}) || '70008000' || printf('%%012x', {number}))"


def id_of(number: int) -> str:
    """Return the id of the n-th row, as ``row_id`` does in SQL."""
    return f"{FIRST_ID_MS + number:012x}70008000{number:012x}"


def text_of(start: str, number: str) -> str:
    """Return SQL for a text that ends with a number."""
    return f"({start} || CAST({number} AS text))"


def signed_in() -> Client:
    """Return the client of an operator who is signed in with two-step verification."""
    olga = User.objects.create_superuser("olga@vendor.example", "correct horse battery", name="Olga")
    Authenticator.objects.create(user=olga, type=Authenticator.Type.TOTP, data={"secret": "x"})
    client = Client()
    client.force_login(olga)
    session = client.session
    session[AUTHENTICATION_METHODS_SESSION_KEY] = [{"method": "mfa", "at": time.time()}]
    session["account_authentication_methods_user"] = str(olga.pk)
    session.save()
    return client


def pages(samples: dict[str, Any]) -> list[tuple[str, str]]:
    """Return names and URLs of the pages to measure: lists, last pages, filters, searches and single rows."""
    slug = samples["organization"]
    found = [("operators' first page", "/admin/"), ("organizations, searched", "/admin/orgs/organization/?q=org-4")]
    for model, address in ((Delivery, "webhooks/delivery"), (Event, "webhooks/event"), (ApiCall, "audit/apicall"),
                           (AuditEntry, "audit/auditentry")):  # fmt: skip
        name, row = model.__name__, samples[model.__name__]
        start = f"/admin/{address}/"
        found += [
            (f"{name}: list", start),
            (f"{name}: last page", f"{start}?p=40"),
            (f"{name}: ordered by the third column", f"{start}?o=3"),
            (f"{name}: one organization", f"{start}?q={slug}"),
            (f"{name}: one organization, last page", f"{start}?q={slug}&p=40"),
            (f"{name}: found by id", f"{start}?q={row.public_id}"),
            (f"{name}: found nothing", f"{start}?q=nothing-of-that-name"),
            (f"{name}: one row", f"{start}{row.pk}/change/"),
            (f"{name}: history of one row", f"{start}{row.pk}/history/"),
        ]
    found += [
        ("Delivery: succeeded", "/admin/webhooks/delivery/?status__exact=succeeded"),
        ("Delivery: exhausted, rare", "/admin/webhooks/delivery/?status__exact=exhausted"),
        ("Delivery: held, none", "/admin/webhooks/delivery/?status__exact=held"),
        ("Delivery: held of one organization, none", f"/admin/webhooks/delivery/?status__exact=held&q={slug}"),
        ("Delivery: of one endpoint, a million", f"/admin/webhooks/delivery/?q={samples['endpoint'].public_id}"),
        ("ApiCall: by request id", "/admin/audit/apicall/?q=request-4711"),
        ("Key: a million calls, none refused", f"/admin/api_keys/apikey/{samples['key'].pk}/change/"),
        ("Endpoint: a million deliveries", f"/admin/webhooks/endpoint/{samples['endpoint'].pk}/change/"),
        ("Organization: one row", f"/admin/orgs/organization/{samples['endpoint'].organization_id}/change/"),
        ("AuditEntry: denied, none", "/admin/audit/auditentry/?outcome__exact=denied"),
        ("AuditEntry: by target", "/admin/audit/auditentry/?q=target-4711"),
        ("AuditEntry: by request id", "/admin/audit/auditentry/?q=request-4711"),
    ]
    return found


def searches(samples: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return names, the URL and texts of the searches to measure."""
    texts = {
        "a request id": "request-4711",
        "an event": samples["Event"].public_id,
        "a delivery": samples["Delivery"].public_id,
        "an endpoint": samples["endpoint"].public_id,
        "a key by its mask": samples["key"].mask,
        "an organization": samples["organization"],
        "an address": "nobody@customer.example",
        "nothing": "nothing-of-that-name",
    }
    return [(f"Find: {name}", "/admin/find/", text) for name, text in texts.items()]


def measure_request(browser: Client, path: str, text: str = "") -> tuple[float, float]:
    """Return the elapsed time and the CPU time of this process for a page, or a search for a text, in ms.

    The CPU time hardly depends on other processes of the machine; on SQLite it includes the database.
    """
    started, worked = time.perf_counter(), time.process_time()
    answer = browser.post(path, {"text": text}) if text else browser.get(path)
    seconds, cpu = time.perf_counter() - started, time.process_time() - worked
    # A list without such a page redirects to its first page.
    assert answer.status_code in (200, 302), (path, answer.status_code)
    return seconds * 1000, cpu * 1000

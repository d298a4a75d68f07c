"""Each filter of the lists is served by an index, however many other deliveries there are."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import Q
from django.db.models.expressions import CombinedExpression
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from apps.base.identifiers import uuid_at
from apps.orgs.models import Organization
from apps.webhooks.models import Delivery, Endpoint
from apps.webhooks.models.deliveries import HAD_ERRORS
from apps.webhooks.stats.list_conditions import SqlLiteral, with_literal_constants
from tests.engines import make_endpoint, publish

pytestmark = pytest.mark.django_db
MANY, RARE = 1500, 3
STATES: dict[str, dict[str, Any]] = {
    "succeeded": {"status": "succeeded", "attempt_count": 1},
    "exhausted": {"status": "exhausted", "attempt_count": 10, "last_error": "http_error"},
    "retrying": {"status": "pending", "attempt_count": 2, "last_error": "timed_out"},
    "pending": {"status": "pending"},
    "held": {"status": "held"},
}
# The filter, the status of all other deliveries, and the index that finds the rare ones.
CASES = [
    ("status=succeeded", "exhausted", "delivery_succeeded"),
    ("status=failed", "succeeded", "delivery_failed"),
    ("status=waiting", "succeeded", "delivery_waiting"),
    ("status=held", "succeeded", "delivery_held"),
    ("errors=1", "succeeded", "delivery_had_errors"),
    ("event_type=invoice.paid", "succeeded", "delivery_by_type"),
]
OF_FEW = "delivery_(succeeded|failed|waiting|held|had_errors|by_type|due_|oldest_due|in_flight|undelivered)"


def fill(organization: Organization, usual: str) -> Endpoint:
    endpoint = make_endpoint(organization)
    event = publish(organization, "invoice.created", data={})
    started, rows = timezone.now() - timedelta(days=1), []
    for number in range(MANY):
        kind = list(STATES)[number % len(STATES)] if number < RARE * len(STATES) else usual
        moment = started + timedelta(seconds=number)
        rows.append(
            Delivery(
                id=uuid_at(moment), organization=organization, endpoint=endpoint, event_id=event.event_id,
                created_at=moment, event_type="invoice.paid" if number < RARE else "order.created",
                next_attempt_at=moment + timedelta(days=9) if STATES[kind]["status"] == "pending" else None,
                **STATES[kind],
            )
        )  # fmt: skip
    Delivery.objects.bulk_create(rows, batch_size=50)
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE webhooks_delivery")
    return endpoint


def plans(captured: CaptureQueriesContext, what: str) -> list[str]:
    """Return the query plans of the statements that read pages of deliveries."""
    found = []
    explain = "EXPLAIN " if connection.vendor == "postgresql" else "EXPLAIN QUERY PLAN "
    for query in captured.captured_queries:
        if re.search(what, query["sql"]):
            with connection.cursor() as cursor:
                cursor.execute((explain + query["sql"]).replace("%", "%%"))
                found.append(" ".join(str(row[-1]) for row in cursor.fetchall()))
    return found


@pytest.mark.parametrize(("query", "usual", "index"), CASES)
def test_a_filter_reads_by_its_index(
    browser_of: Any, vera: Any, acme: Organization, query: str, usual: str, index: str
) -> None:
    endpoint = fill(acme, usual)
    browser: Client = browser_of(vera)
    with CaptureQueriesContext(connection) as captured:
        page = browser.get(f"/o/acme/settings/integration/webhooks/{endpoint.public_id}/?{query}")
    assert page.status_code == 200 and len(page.context["deliveries"]) >= RARE
    (plan,) = plans(captured, r'FROM "webhooks_delivery".*ORDER BY "webhooks_delivery"."id" DESC LIMIT 51')
    if connection.vendor == "postgresql":
        # By its statistics the planner can also use another index of few rows and sort those.
        assert re.search(OF_FEW, plan) and not re.search("Seq Scan|delivery_by_endpoint|delivery_by_org|pkey", plan)
    else:
        assert index in plan and "TEMP B-TREE" not in plan


def test_the_list_of_endpoints_counts_a_backlog_up_to_a_bound(browser_of: Any, vera: Any, acme: Organization) -> None:
    fill(acme, "pending")
    browser = browser_of(vera)
    with CaptureQueriesContext(connection) as captured:
        page = browser.get("/o/acme/settings/integration/webhooks/")
    (row,) = page.context["endpoints"]
    assert (row["waiting"], row["waiting_more"]) == (1000, True) and row["next_retry_at"] is not None
    assert "more than 1,000 waiting" in page.content.decode()
    (plan,) = plans(captured, r"SELECT COUNT\(\*\) FROM \(SELECT U0")
    assert "delivery_due_again" in plan and re.search("delivery_(waiting|due_first|due_again|failed|by_)", plan)


@pytest.mark.pure
def test_only_words_of_our_own_are_written_into_sql() -> None:
    with pytest.raises(ValueError, match="words of our own"):
        SqlLiteral("x' OR 1=1").as_sql(None, None)
    assert (SqlLiteral("held").as_sql(None, None), SqlLiteral(1).as_sql(None, None)) == (("'held'", ()), ("1", ()))
    (_first, (_name, expression)) = with_literal_constants(HAD_ERRORS).children
    assert isinstance(expression, CombinedExpression) and isinstance(expression.rhs, SqlLiteral)
    assert with_literal_constants(~Q(status="held")).negated

"""Operators read the logs in the admin and change nothing, without counting millions of rows."""

import pytest
from django.contrib import admin
from django.test import RequestFactory

from apps.audit.models import ApiCall, AuditEntry, Checkpoint, LastUse, RefusedCalls, Seal, UsageDay, UsageHour
from apps.audit.operator_admin import CappedPaginator, ReadOnlyAdmin
from apps.orgs.models import User
from tests.audit.conftest import change, person

pytestmark = pytest.mark.django_db
MODELS = (AuditEntry, Seal, Checkpoint, ApiCall, UsageDay, UsageHour, LastUse, RefusedCalls)


@pytest.mark.parametrize("model", MODELS)
def test_nothing_can_be_changed(model):
    shown, request = admin.site._registry[model], RequestFactory().get("/")
    request.user = User(is_staff=True, is_superuser=True)
    assert isinstance(shown, ReadOnlyAdmin)
    assert shown.has_view_permission(request)
    assert [shown.has_add_permission(request), shown.has_change_permission(request)] == [False, False]
    assert not shown.has_delete_permission(request) and not shown.get_actions(request)


@pytest.mark.parametrize("model", MODELS)
def test_lists_stay_cheap(model, organization, django_assert_max_num_queries):
    for number in range(3):
        change(person(organization), target_label=str(number))
    shown, request = admin.site._registry[model], RequestFactory().get("/")
    request.user = User(is_staff=True, is_superuser=True)
    with django_assert_max_num_queries(3) as queries:
        found = shown.get_changelist_instance(request)
        [str(row.organization) for row in found.result_list if hasattr(row, "organization")]
    assert not shown.show_full_result_count
    counting = [query["sql"] for query in queries.captured_queries if "COUNT(*)" in query["sql"]]
    assert [statement for statement in counting if "LIMIT 2000" not in statement] == []


def test_pages_end_at_the_first_rows(organization, monkeypatch):
    monkeypatch.setattr("apps.audit.operator_admin.newest_rows.MAX_ROWS", 2)
    for _ in range(3):
        change(person(organization))
    assert CappedPaginator(AuditEntry.objects.order_by("-pk"), 1).num_pages == 2

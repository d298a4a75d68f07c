"""``POST /v1/webhook-endpoints/{id}/replay`` and ``/v1/replays``."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.orgs.models import Organization
from apps.webhooks.jobs import replays
from apps.webhooks.models import Delivery, Endpoint, ReplayJob
from tests.engines import make_endpoint
from tests.webhooks.test_replays import add_finished, end

pytestmark = pytest.mark.django_db


@pytest.fixture
def ours(api: Callable[..., Any], acme_key: Any) -> Any:
    return api(acme_key)


@pytest.fixture
def endpoint(acme: Organization) -> Endpoint:
    found = make_endpoint(acme)
    add_finished(found, 3)
    return found


def path_of(endpoint: Endpoint) -> str:
    return f"/v1/webhook-endpoints/{endpoint.public_id}/replay"


def test_a_dry_run_counts_and_changes_nothing(ours: Any, endpoint: Endpoint) -> None:
    answer = ours.post(path_of(endpoint), {"dry_run": True})
    assert (answer.status_code, answer.json()) == (200, {"count": 3})
    assert not ReplayJob.objects.exists() and not AuditEntry.objects.filter(action="replay.started").exists()


def test_a_replay_from_start_to_end(ours: Any, endpoint: Endpoint) -> None:
    answer = ours.post(path_of(endpoint), {"since": "2020-01-01", "event_types": ["order.*"], "rate_per_second": 100})
    begun = answer.json()
    assert answer.status_code == 202
    assert begun | {"id": "", "created_at": ""} == {
        "id": "", "status": "running", "count": 3, "sent": 0, "succeeded": 0, "failed": 0,
        "endpoint": {"id": endpoint.public_id, "url": endpoint.url},
        "filters": {
            "since": "2020-01-01T00:00:00Z", "until": None, "status": ["exhausted"], "event_types": ["order.*"],
        },
        "rate_per_second": 100, "created_at": "", "finished_at": None,
    }  # fmt: skip
    replays.advance()
    end(ReplayJob.objects.get())
    replays.advance()
    done = ours.get(f"/v1/replays/{begun['id']}").json()
    assert (done["status"], done["sent"], done["succeeded"], done["failed"]) == ("done", 3, 3, 0)
    assert done["finished_at"] is not None and ours.get("/v1/replays").json() == [done]
    listed = ours.get("/v1/deliveries?limit=3").json()
    assert {row["status"] for row in listed} == {"succeeded"}
    assert [row for row in listed if not row["replay_of"].startswith("dlv_")] == []
    assert ours.post(f"/v1/replays/{begun['id']}/cancel").status_code == 409


def test_cancel_answers_with_the_replay_also_the_second_time(ours: Any, endpoint: Endpoint) -> None:
    begun = ours.post(path_of(endpoint)).json()
    for _ in range(2):
        answer = ours.post(f"/v1/replays/{begun['id']}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    assert AuditEntry.objects.filter(action="replay.cancelled", target_id=begun["id"]).count() == 1
    assert replays.advance() == 0 and Delivery.objects.count() == 3


def test_the_list_is_by_cursor_newest_first(ours: Any, endpoint: Endpoint) -> None:
    ids = [ours.post(path_of(endpoint), {"status": ["succeeded"]}).json()["id"] for _ in range(3)]
    first = ours.get("/v1/replays?limit=2")
    assert [row["id"] for row in first.json()] == ids[:0:-1]
    rest = ours.get(first["Link"].partition(">")[0][1:])
    assert [row["id"] for row in rest.json()] == ids[:1] and not rest.has_header("Link")
    assert ours.get("/v1/replays?cursor=nonsense").status_code == 400


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"status": ["pending"]}, "status"),
        ({"status": ["nonsense"]}, "status"),
        ({"status": []}, "status"),
        ({"status": "exhausted"}, "status"),
        ({"event_types": ["no.such"]}, "event_types"),
        ({"event_types": "order.created"}, "event_types"),
        ({"since": "yesterday"}, "since"),
        ({"since": 5}, "since"),
        ({"until": "2026-13-01T00:00:00Z"}, "until"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "until"),
        ({"rate_per_second": 0}, "rate_per_second"),
        ({"rate_per_second": 1001}, "rate_per_second"),
        ({"rate_per_second": 1.5}, "rate_per_second"),
        ({"dry_run": "yes"}, "dry_run"),
        ({"endpoint": "ep_x"}, "endpoint"),
    ],
)
def test_a_bad_body_is_400_and_names_the_field(ours: Any, endpoint: Endpoint, body: dict[str, Any], field: str) -> None:
    answer = ours.post(path_of(endpoint), body)
    assert answer.status_code == 400, answer.content
    assert field in answer.json()["fields"] and not ReplayJob.objects.exists()


def test_an_endpoint_that_is_off_is_a_conflict(ours: Any, endpoint: Endpoint) -> None:
    ours.post(f"/v1/webhook-endpoints/{endpoint.public_id}/pause")
    assert ours.post(path_of(endpoint)).status_code == 409
    assert ours.post(path_of(endpoint), {"dry_run": True}).json() == {"count": 3}


@pytest.mark.parametrize("since", ["0001-01-01", "1960-05-05T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_any_time_is_a_time(ours: Any, endpoint: Endpoint, since: str) -> None:
    count = 0 if since.startswith("9") else 3
    assert ours.post(path_of(endpoint), {"since": since, "dry_run": True}).json() == {"count": count}
    assert ours.post(path_of(endpoint), {"since": since}).json()["count"] == count
    assert replays.advance() == count
    assert len(ours.get(f"/v1/deliveries?since={since}").json()) == 2 * count
    assert len(ours.get(f"/v1/deliveries?until={since}").json()) == 3 - count


def test_strangers_and_readers(api: Callable[..., Any], make_key: Any, acme: Any, rival_key: Any, ours: Any, endpoint):
    replay = ours.post(path_of(endpoint)).json()["id"]
    stranger, reader = api(rival_key), api(make_key(acme, "webhooks:read"))
    assert stranger.get("/v1/replays").json() == []
    for path in (path_of(endpoint), f"/v1/replays/{replay}/cancel"):
        assert (stranger.post(path).status_code, reader.post(path).status_code) == (404, 403)
    assert stranger.get(f"/v1/replays/{replay}").status_code == 404
    assert reader.get(f"/v1/replays/{replay}").status_code == 200

"""HTTP figures: every answer counts, whoever gives it, under words of ours alone."""

import multiprocessing
import os
import tempfile
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver
from prometheus_client import REGISTRY, values
from prometheus_client.mmap_dict import mmap_key
from prometheus_client.utils import floatToGoString

from apps.base.rest import api_fast_path
from apps.base.telemetry import http_metrics, process_metrics
from apps.base.telemetry.access_log import _route_template
from apps.base.web import middleware

pytestmark = pytest.mark.django_db
NAME = "portal_http_requests_total"


def counted(route: str, method: str, status: int) -> float:
    return REGISTRY.get_sample_value(NAME, {"route": route, "method": method, "status": str(status)}) or 0


@pytest.mark.parametrize(
    ("method", "path", "headers", "route", "status"),
    [
        ("GET", "/healthz", {}, "/healthz", 200),
        ("GET", "/readyz", {}, "/readyz", 200),
        ("GET", "/metrics", {}, "/metrics", 404),
        ("GET", "/no/such/page?x=1", {}, "unmatched", 404),
        ("GET", "/v1/users", {}, "/v1/users", 401),
        ("GET", "/v1/users/usr_1", {"Accept": "text/html"}, "/v1/users/{id}", 401),
        ("GET", "/v1/nothing/here", {}, "/v1/*", 404),
        ("SECRETWORD", "/v1/users", {}, "/v1/users", 401),
        ("GET", "/v1/users", {"Host": "elsewhere.example"}, "/v1/users", 400),
        ("GET", "/account/login/", {"Host": "elsewhere.example"}, "/account/login/", 400),
        ("GET", "/o/acme/settings/integration/", {}, "/o/{slug}/settings/integration/", 302),
        ("PUT", "/language/", {}, "/language/", 405),
    ],
)
def test_an_answer_is_counted_under_its_route(method, path, headers, route, status):
    label = "OTHER" if method == "SECRETWORD" else method
    before = counted(route, label, status)
    took = REGISTRY.get_sample_value("portal_http_request_duration_seconds_count", {"route": route}) or 0
    client = Client()
    assert client.generic(method, path, headers=headers).status_code == status
    assert counted(route, label, status) == before + 1
    assert REGISTRY.get_sample_value("portal_http_request_duration_seconds_count", {"route": route}) == took + 1


@pytest.mark.parametrize(("path", "route"), [("/v1/api-keys/key_1/rotate", "/v1/api-keys/{id}/rotate"), ("/", "/")])
def test_what_maintenance_refuses_counts_for_its_own_route(path, route, monkeypatch):
    for module in (middleware, api_fast_path):
        monkeypatch.setattr(module, "is_maintenance_on", lambda: True)
    before = counted(route, "GET", 503)
    assert Client().get(path).status_code == 503
    assert counted(route, "GET", 503) == before + 1


def test_an_error_of_ours_is_counted(monkeypatch):
    def fail(*_arguments: Any) -> None:
        raise RuntimeError("of a middleware")

    monkeypatch.setattr("apps.base.web.middleware.parse_node", fail)
    before = counted("/healthz", "GET", 500)
    assert Client(raise_request_exception=False).get("/healthz").status_code == 500
    assert counted("/healthz", "GET", 500) == before + 1


def test_without_a_folder_each_process_keeps_to_itself(monkeypatch, tmp_path):
    (tmp_path / "no-folder").touch()
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(pid=os.getpid()))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no-folder"))
    kind = values.ValueClass
    assert "each answers with its own" in process_metrics.enable_multiprocess_metrics()
    assert values.ValueClass is kind and process_metrics.DIRECTORY_VARIABLE not in os.environ


def test_a_folder_of_somebody_else_is_not_entered(monkeypatch, tmp_path):
    own = tmp_path / f"{process_metrics.PREFIX}{os.getpid()}-{process_metrics._start_time(os.getpid())}"
    own.mkdir()
    own.chmod(0o755)
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(pid=os.getpid()))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert "not of this user alone" in process_metrics.enable_multiprocess_metrics()


def written(resolver: URLResolver, prefix: str = "") -> list[str]:
    found = []
    for each in resolver.url_patterns:
        text = prefix + str(each.pattern)
        found += written(each, text) if isinstance(each, URLResolver) else [text]
    return found


def test_the_files_have_room_for_every_route():
    """A file that grows while the disk is full would end the process."""
    name, help_text = "portal_http_request_duration_seconds", "How long it took until the response began."
    routes = {_route_template(each) for each in written(get_resolver())}
    bounds = [floatToGoString(each) for each in (*http_metrics.BUCKETS, float("inf"))]
    bytes_taken = sum(
        len(mmap_key(name, f"{name}_bucket", ["route", "le"], [route, bound], help_text)) + 32
        for route in routes
        for bound in bounds
    )
    assert len(routes) > 300 and 2 * bytes_taken < 2 * process_metrics.PREALLOCATED_BYTES, bytes_taken

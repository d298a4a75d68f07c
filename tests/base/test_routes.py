"""The route of a request as logs and figures name it: a template, never a word of the caller's."""

from typing import Any

import pytest
from django.test import Client
from django.urls import URLResolver, get_resolver

from apps.base.telemetry.access_log import _route_template, method_label, route_of
from tests.conftest import Key


def written(resolver: URLResolver, prefix: str = "") -> list[str]:
    found = []
    for each in resolver.url_patterns:
        text = prefix + str(each.pattern)
        found += written(each, text) if isinstance(each, URLResolver) else [text]
    return found


@pytest.mark.pure
def test_every_page_has_a_template_without_a_sign_of_its_pattern():
    # Those of the API say it themselves (PortalView.route).
    routes = {_route_template(each) for each in written(get_resolver()) if not each.startswith(("v1/", "^v1"))}
    assert {"/account/password/reset/key/{uidb36}-{key}/", "/o/{slug}/settings/integration/", "/healthz"} <= routes
    assert [each for each in routes if set(each) & set("()<>^$\\?[]*+| ") or "//" in each] == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/healthz", "/healthz"),
        ("/account/login/?next=/secret", "/account/login/"),
        ("/o/acme/settings/integration/", "/o/{slug}/settings/integration/"),
        ("/static/portal.css", "/static/*"),
        ("/no/such/ipk_abcd", "unmatched"),
        ("/v1/me", "/v1/me"),
        ("/v1/api-keys/key_0123456789abcdefghijkl/", "/v1/api-keys/{id}"),
        ("/v1/nothing/here", "/v1/*"),
    ],
)
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_the_route_of_each_request_is_its_template(path: str, route: str, accept: str, acme_key: Key):
    answer: Any = Client().get(path, headers={**acme_key.headers, "Accept": accept})
    assert route_of(answer.wsgi_request) == route


@pytest.mark.django_db
def test_a_made_up_method_is_no_label_of_its_own(client: Client):
    answer: Any = client.generic("SECRETWORD", "/healthz")
    assert method_label(answer.wsgi_request) == "OTHER"
    assert method_label(client.put("/healthz").wsgi_request) == "PUT"

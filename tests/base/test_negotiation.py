"""Errors are JSON for clients with a key that accept it, and for those that accept JSON but not HTML."""

import pytest

from apps.base.rest.content_negotiation import accepts_json, requests_html, wants_json_error

pytestmark = pytest.mark.pure
KEY = {"HTTP_X_API_KEY": "ipk_x"}


@pytest.mark.parametrize(
    ("accept", "admits", "without_a_key"),
    [
        ("*/*", True, False),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", True, False),
        ("APPLICATION/JSON", True, True),
        ("application/json;v=1;q=0.5", True, True),
        ("text/html, application/json", True, False),
        ("application/json;q=0, */*", False, False),
        ("text/html, */*;q=0", False, False),
        ("application/xml", False, False),
        ("application/problem+json", False, True),
    ],
)
def test_json_is_found_wherever_it_stands(accept, admits, without_a_key):
    assert accepts_json(accept) == admits
    assert wants_json_error({"HTTP_ACCEPT": accept}) == without_a_key


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (KEY, True),
        ({"HTTP_AUTHORIZATION": "bearer x"}, True),
        ({"HTTP_AUTHORIZATION": "Basic aXBrXzEyMzQ6"}, True),
        ({"HTTP_AUTHORIZATION": "Basic YWRhOnNlY3JldA=="}, False),
        ({}, False),
    ],
)
def test_a_key_is_enough_where_anything_is_taken(headers, expected):
    assert wants_json_error({**headers, "HTTP_ACCEPT": "text/html, */*;q=0.8"}) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("text/html", True),
        ("TEXT/HTML;q=0.9", True),
        ("image/*, text/*", True),
        ("*/*", False),
        ("text/csv", False),
    ],
)
def test_pages_are_asked_for_in_any_spelling(accept, expected):
    assert requests_html(accept) == expected

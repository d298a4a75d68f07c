"""The pages that errors and the navigation link to."""

import ast
import pathlib
import re

import pytest

from apps.base.error_codes import ERROR_CODES

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.django_db
def test_the_reference_names_every_route(client):
    from integrations_portal.urls import documented

    page = client.get("/docs/reference").content.decode()
    for route in documented:
        assert route.callback.view_initkwargs["route"] in page
    assert "http://127.0.0.1:8000/v1/me" in page


@pytest.mark.django_db
def test_every_error_links_to_an_anchor(client):
    answer = client.get("/v1/me").json()
    path, anchor = answer["docs"].removeprefix("http://127.0.0.1:8000").split("#")
    assert f'id="{anchor}"' in client.get(path).content.decode()


@pytest.mark.pure
def test_every_code_in_the_source_is_explained():
    """Codes are the second argument of errors, or ``code=``; what looks like one must be in the table."""
    known = {"forbidden", *ERROR_CODES}
    for path in (ROOT / "apps").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
                "PortalError", "Forbidden", "Conflict", "Unauthorized"
            ):  # fmt: skip
                for argument in node.args[1:2]:
                    if isinstance(argument, ast.Constant) and re.fullmatch(r"[a-z_]+", str(argument.value)):
                        assert argument.value in known, f"{path}: {argument.value}"

"""The table of who may do what: the page, the contract and the permissions are one."""

import pytest

from apps.orgs.members.view_models import role_table
from apps.orgs.models import Role
from tests.conventions.tree import read

PAGE = "/o/acme/settings/organization/members/roles/"


def table_of_the_contract() -> list[list[str]]:
    """The lines of the table under Roles in docs/api.md."""
    lines = read("docs/api.md").partition("\n## Roles\n")[2].strip().split("\n\n")[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if not line.startswith("|---")]


def written(cell) -> str:
    return {"all": "✓", "part": f"✓ ({cell['lacks']})", "none": "–"}[cell["held"]]


@pytest.mark.pure
def test_the_table_of_roles_matches_the_contract():
    head, *lines = table_of_the_contract()
    assert head == ["may", *Role.values] and len(lines) == 7
    assert [[str(right["text"]), *map(written, right["cells"])] for right in role_table()] == lines


@pytest.mark.django_db
def test_every_member_sees_it_and_every_refusal_leads_there(browser_of, vera):
    browser = browser_of(vera)
    page = browser.get(PAGE).content.decode()
    assert "Make or lower owners" in page and "(no export)" in page
    refused = browser.get("/o/acme/settings/integration/api-keys/create/")
    assert refused.status_code == 403 and PAGE in refused.content.decode()
    assert PAGE in browser.get("/o/acme/settings/organization/members/").content.decode()

"""The reference without JavaScript: links to an operation and to a field open it, and "Try it" opens its form."""

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.mark.parametrize("anchor", ["rotateApiKey", "rotateApiKey.body.overlap_seconds", "ApiKey.created_by.kind"])
def test_a_link_opens_what_it_names(signed_in, ada, anchor):
    page = signed_in(ada, java_script_enabled=False)
    page.goto(f"/docs/reference#{anchor}")
    target = page.locator(f'[id="{anchor}"]')
    assert target.is_visible() and target.bounding_box()["y"] < 400
    assert not page.locator("#createUser").is_visible()
    assert page.complaints == []


def test_try_it_leads_to_the_open_form_with_an_example(signed_in, ada, acme_key):
    page = signed_in(ada, java_script_enabled=False)
    page.goto("/docs/reference?organization=acme#createApiKey")
    page.locator("#createApiKey").get_by_role("link", name="Try it").click()
    assert page.url.endswith("/v1/api-keys?organization=acme#createApiKey")
    assert page.locator("#f-createApiKey-name").is_visible()
    assert page.locator("#f-createApiKey-name").input_value() == "Production server"
    page.goto("/docs/reference?organization=acme#updateApiKey")
    page.locator("#updateApiKey").get_by_role("link", name="Try it").click()
    assert f"/v1/api-keys/{acme_key.row.public_id}" in page.url
    assert page.locator("#f-updateApiKey-name").input_value() == "Acme's key"

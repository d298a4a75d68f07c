"""Where receivers are shown: the endpoint's page, the developer pages, downloads and the documentation."""

import re
from html import unescape

import pytest

from apps.webhooks.engine.signing import secret_bytes, sign
from apps.webhooks.view_models.verification_code import FOLDER, RECEIVERS, SECRET_NAME
from tests.conventions.tree import read
from tests.webhooks.pages import at, make, text_of


@pytest.mark.pure
def test_the_example_of_the_documentation_is_signed_with_the_secret_beside_it():
    page = read("docs/verify-webhooks.md")
    message = re.search(r"```http\n.*?\n(.*?)\n\n(.*?)\n```", page, re.DOTALL)
    headers = dict(line.split(": ", 1) for line in message[1].splitlines())
    secret = re.search(r"`(whsec_[\w+/=]+)`", page)[1]
    made = sign([secret_bytes(secret)], headers["webhook-id"], int(headers["webhook-timestamp"]), message[2].encode())
    assert made["webhook-signature"] == headers["webhook-signature"]


@pytest.mark.pure
def test_the_documentation_lists_each_receiver():
    page = read("docs/verify-webhooks.md")
    for receiver in RECEIVERS:
        assert f"[{receiver.file}](../apps/webhooks/receivers/{receiver.file}) | `{receiver.run}` |" in page
        raw_body = ", ".join(f"{framework}: `{code}`" for framework, code in receiver.raw_body)
        assert f"| {receiver.title} | {raw_body} |" in page


@pytest.mark.pure
def test_every_file_of_the_folder_is_a_receiver_in_ascii():
    assert {path.name for path in FOLDER.iterdir() if path.is_file()} == {each.file for each in RECEIVERS}
    # Compilers read a file in the encoding of the machine.
    assert [each.file for each in RECEIVERS if not (FOLDER / each.file).read_bytes().isascii()] == []


@pytest.mark.django_db
@pytest.mark.parametrize("receiver", RECEIVERS, ids=lambda each: each.key)
def test_the_page_and_the_download_are_the_file(browser_of, vera, acme, client, receiver):
    source = (FOLDER / receiver.file).read_text("utf-8")
    pages = (
        browser_of(vera).get(at(make(acme), f"?tab=verify&lang={receiver.key}")),
        client.get(f"/docs/webhooks?lang={receiver.key}"),
    )
    for page in pages:
        html = unescape(page.content.decode())
        path = f"/docs/receivers/{receiver.file}"
        assert source in html and f'href="{path}"' in html
        assert f"curl -fO http://127.0.0.1:8000{path}\n{SECRET_NAME}=whsec_… {receiver.run}" in html
        assert [code for _framework, code in receiver.raw_body if code not in html] == [] and receiver.library in html
    answer = client.get(f"/docs/receivers/{receiver.file}")
    assert answer.content.decode() == source
    assert answer["Content-Disposition"] == f'attachment; filename="{receiver.file}"'
    assert answer["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["receiver.txt", "..%2Fapps.py", "receiver.py%00", "Receiver.py", "%2e%2e"])
def test_no_other_file_is_a_download(client, name):
    assert client.get(f"/docs/receivers/{name}").status_code == 404


@pytest.mark.django_db
def test_the_page_of_an_endpoint_shows_the_readers_own_address(browser_of, vera, acme):
    endpoint = make(acme)
    words = text_of(browser_of(vera).get(at(endpoint, "?tab=verify")))
    assert endpoint.url in words and SECRET_NAME in words and "webhook-signature" in words
    assert browser_of(vera).get(at(endpoint, "?tab=verify&lang=cobol")).status_code == 200

"""The developer pages: for strangers, members, members of something else; their links and anchors lead somewhere."""

import re
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote, urlencode, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from apps.api_keys import actions
from apps.audit.models import ApiCall
from apps.base.actor import system
from apps.base.error_codes import ERROR_CODES
from apps.base.rest.snippets import LANGUAGES
from apps.credentials.gate import rate_limits
from apps.webhooks.view_models.verification_code import RECEIVERS
from integrations_portal.api_docs import changelog
from integrations_portal.api_docs.rate_limits import example_headers
from integrations_portal.api_docs.reader import PAGES
from integrations_portal.api_docs.reference import served_operations
from integrations_portal.urls import documented
from tests.conftest import PASSWORD
from tests.conventions.tree import python_modules, read

pytestmark = pytest.mark.django_db

EVERY = tuple(reverse(name) for name, _title, _icon in PAGES)
ODD = ("?organization=", "?organization=%00", "?organization=../rival&lang=%00",
       "?lang=cobol&organization=%F0%9F%98%80", "?organization=" + "x" * 3000)  # fmt: skip

LITERAL = re.compile(r'"((?:[^"\\\n]|\\.){8,})"')
# What only those who run or change the product have: its settings, commands, services and files.
SETTINGS = set(re.findall(r"^#? ?([A-Z]+_[A-Z_]+)=", read(".env.example"), re.MULTILINE))
OPERATORS_WORDS = re.compile(
    rf"\b(?:{'|'.join(SETTINGS)})\b|manage\.py|\.ci/|(?<![\w.])\.env\b|\bportal_\w+"
    r"|(?<![\w/])(?:docs|tests|benchmarks|deploy|apps)/[\w/-]+\.(?:md|py|json|yml|conf)\b"
    r"|\b(?i:PostgreSQL|SQLite|Redis|granian|Celery|nginx|Docker|Prometheus|pg_dump|PgBouncer|systemd|checkout)\b"
)
TOKEN = re.compile(r'name="csrfmiddlewaretoken" value="\w+"')


class Reader(HTMLParser):
    """The ids and links of a page."""

    def __init__(self, html):
        super().__init__()
        self.ids, self.links = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.ids += [given["id"]] if given.get("id") else []
        self.links += [given["href"]] if tag == "a" and given.get("href") else []


def text(client, path):
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


@pytest.mark.parametrize("path", EVERY)
def test_a_page_is_for_everybody_and_leads_to_the_others(client, path):
    page = text(client, path)
    assert set(EVERY) <= {urlsplit(link).path for link in Reader(page).links}
    assert page.count(f'href="{path}" aria-current="page"') == 2  # in the menu of the side, and in the one of a phone
    assert 'style="' not in page and "ipk_SHOWN" not in re.sub(r"(?s)<details.*?</details>", "", page)


@pytest.mark.parametrize("path", EVERY)
def test_odd_questions_are_no_trouble(client, browser_of, ada, path):
    for who in (client, browser_of(ada)):
        assert [(path, odd) for odd in ODD if who.get(path + odd).status_code != 200] == []
        assert who.post(path).status_code in (200, 403, 405)


def test_a_member_reads_of_their_own_organization(browser_of, ada, client):
    page = text(browser_of(ada), "/docs/start")
    assert "Acme Travel" in page and "/o/acme/settings/integration/api-keys/create" in page
    assert "http://127.0.0.1:8000/v1/me" in page and "$API_KEY" in page
    assert "Acme" not in text(client, "/docs/start")


@pytest.mark.parametrize("path", EVERY)
def test_a_stranger_signs_in_and_comes_back(client, ada, path):
    links = [link for link in Reader(text(client, path)).links if link.startswith("/account/login/")]
    assert set(links) == {f"/account/login/?{urlencode({'next': path})}"}
    answer = client.post(links[0], {"login": ada.email, "password": PASSWORD, "next": path}, follow=True)
    assert "Acme Travel" in answer.content.decode() and answer.redirect_chain[-1][0] == path


def test_who_may_make_no_keys_is_told_whom_to_ask(browser_of, vera):
    page = text(browser_of(vera), "/docs/start")
    assert "Only owners and admins can create API keys" in page and "api-keys/create" not in page


@pytest.mark.parametrize("path", EVERY)
def test_the_organization_of_others_is_as_unknown_as_one_that_is_not(browser_of, zed, acme, acme_key, path):
    browser = browser_of(zed)
    acme.ceiling_per_minute = 4711
    acme.save()
    asked, none = (text(browser, f"{path}?organization={slug}") for slug in ("acme", "nobody"))
    assert TOKEN.sub("", asked).replace("acme", "nobody") == TOKEN.sub("", none).replace("acme", "nobody")
    assert [word for word in ("Acme's", acme_key.row.mask, "4,711") if word in asked] == []


def test_a_member_of_two_chooses_and_keeps_the_choice(browser_of, ada, rival, acme):
    ada.memberships.create(organization=rival, role="viewer")
    browser = browser_of(ada)
    page = text(browser, "/docs/start?organization=rival")
    assert "first request as Rival" in page and "/docs/limits?organization=rival" in page
    assert "first request as Acme Travel" in text(browser, "/docs/start?organization=acme")
    # Without a choice, and before one was used.
    assert "Make your first request, then receive" in text(browser, "/docs/start")
    browser.get("/o/rival/settings/integration/")
    assert "first request as Rival" in text(browser, "/docs/start")


def test_limits_are_shown_as_they_stand_and_looking_costs_nothing(browser_of, ada, acme, make_key, api):
    key = make_key(acme, "users:read", name="Nightly", limits={"minute": 7, "hour": 90})
    browser = browser_of(ada)
    assert "7 of 7" in text(browser, "/docs/limits")
    assert api(key).get("/v1/me")["RateLimit-Remaining"] == "6"
    for _look in range(3):
        page = text(browser, "/docs/limits")
        assert "6 of 7" in page and "89 of 90" in page and "Nightly" in page and key.row.mask in page
    assert api(key).get("/v1/me")["RateLimit-Remaining"] == "5"
    assert ApiCall.objects.count() == 2


@pytest.mark.pure
def test_looking_starts_no_window():
    moment = [0.0]
    limiter = rate_limits.MemoryLimiter(clock=lambda: moment[0])
    window = rate_limits.Window("minute", "a", 5, 60)
    limiter.peek([window])
    moment[0] = 50.0
    assert limiter.consume([window]).states[0].reset_seconds == 60


def test_a_stranger_sees_the_limits_of_everybody(client, acme, acme_key):
    page = text(client, "/docs/limits")
    assert "Partner" in page and "5,000" in page and acme_key.row.mask not in page
    assert example_headers().splitlines()[:3] == [
        "RateLimit-Limit: 100",
        "RateLimit-Remaining: 99",
        "RateLimit-Reset: 60",
    ]


def test_every_code_has_its_anchor_with_an_example(client):
    page = text(client, "/docs/errors")
    ids = Reader(page).ids
    assert set(ERROR_CODES) <= set(ids) and len(ids) == len(set(ids))
    for code in ERROR_CODES.values():
        assert code.example and str(code.advice)


@pytest.mark.pure
def test_the_examples_of_errors_are_sentences_of_the_api():
    """Each stands in the source, its figures as placeholders; the parser's own sentences and those of fields apart."""
    literals = {
        text for path in python_modules() if path.name != "codes.py" for text in LITERAL.findall(path.read_text())
    }
    parts = [re.split(r"%\(\w+\)[sd]|\{.*?\}", text) for text in literals]
    patterns = [re.compile(".+".join(map(re.escape, each))) for each in parts if len("".join(each)) > 8]
    unsaid = {name for name, code in ERROR_CODES.items() if not any(each.fullmatch(code.example) for each in patterns)}
    assert unsaid <= {"invalid_request"}  # one of the many that Django says of a field


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_reference_has_every_operation_in_each_language(client, language):
    page = text(client, f"/docs/reference?lang={language}")
    reader = Reader(page)
    assert {each.operation.id for each in served_operations(documented)} <= set(reader.ids)
    assert len(reader.ids) == len(set(reader.ids))
    assert {"curl": "curl -X POST", "python": "requests.post", "node": "await fetch"}[language] in page


def test_every_link_and_every_anchor_leads_somewhere(browser_of, ada, acme_key):
    browser, ids, broken = browser_of(ada), {}, []

    def ids_of(path):
        if path not in ids:
            answer = browser.get(path, follow=True, headers={"accept": "text/html"})
            html = "" if "attachment" in answer.get("Content-Disposition", "") else answer.content.decode()
            ids[path] = Reader(html).ids if answer.status_code == 200 else None
        return ids[path]

    for path in EVERY:
        for link in Reader(text(browser, path)).links:
            parts = urlsplit(link)
            if parts.scheme:
                continue
            target = (parts.path or path) + (f"?{parts.query}" if parts.query else "")
            found = ids_of(target)
            if found is None or (parts.fragment and unquote(parts.fragment) not in found):
                broken.append(f"{path}: {link}")
    assert broken == []
    assert len(ids) > 15


def test_the_forms_lead_to_advice_that_is_there(browser_of, ada, acme):
    browser = browser_of(ada)
    anchors = set(Reader(text(browser, "/docs/practices")).ids)
    here = "/o/acme/settings/integration/"
    for form in ("api-keys/create/?type=partner", "sdk-keys/ios/create/", "webhooks/create/"):
        links = [link for link in Reader(text(browser, here + form)).links if link.startswith("/docs/practices#")]
        assert links and {urlsplit(link).fragment for link in links} <= anchors, form


def test_the_schedule_is_the_one_of_the_settings(client, settings):
    settings.WEBHOOK_RETRY_SCHEDULE, settings.WEBHOOK_TIMEOUT = [90, 7200], 9
    page = text(client, "/docs/webhooks")
    assert "1\u202fmin 30\u202fs" in page and "2\u202fh 1\u202fmin 30\u202fs" in page and "9 seconds" in page


@pytest.mark.pure
def test_the_changelog_is_read_as_text(tmp_path, monkeypatch):
    blocks = changelog.read(
        "# Changes\n\n## [1.0] - 2026\n### Added\nFirst:\n- A `code <b>`\n  and **more** of it\n"
        "- [site](https://a.example) [file](docs/x.md) [bad](javascript:alert(1))\n\nEnd <script>\n"
    )
    assert [block["kind"] for block in blocks] == ["heading", "heading", "heading", "paragraph", "list", "paragraph"]
    kinds = [[part["kind"] for part in item] for item in blocks[4]["items"]]
    assert kinds[0] == ["text", "code", "text", "strong", "text"]
    assert "link" in kinds[1] and kinds[1].count("link") == 1
    links = [part.get("url", "") for item in blocks[4]["items"] for part in item if part["kind"] == "link"]
    assert [url for url in links if "javascript" in url] == []


def test_the_changelog_shows_the_api_parts_of_the_file(client, monkeypatch, tmp_path):
    page = text(client, "/docs/changelog")
    assert 'lang="en"' in page and "<h2>0.2.0 - 2026-11-30</h2>" in page
    assert "<code>POST /v1/users/batch</code>" in page
    changelog.entries.cache_clear()
    (tmp_path / "next.md").write_text(
        "# Changelog\nText\n\n## [Unreleased]\n\n### Fixed\n- Mine\n\n## [0.3.0] - 2027-01-01\n\n### Added\n- Mine\n\n"
        "### API\n- Yours\n\n### Security\n- Mine\n\n## [0.2.0] - 2026-11-30\n\n### API\nNew:\n- Yours too\n"
    )
    monkeypatch.setattr(changelog, "FILE", tmp_path / "next.md")
    assert [block["kind"] for block in changelog.entries()] == ["heading", "list", "heading", "paragraph", "list"]
    page = text(client, "/docs/changelog")
    assert "Yours" in page and "Yours too" in page and "Mine" not in page and "Unreleased" not in page
    changelog.entries.cache_clear()
    monkeypatch.setattr(changelog, "FILE", tmp_path / "none.md")
    assert "No changes yet" in text(Client(), "/docs/changelog")
    changelog.entries.cache_clear()


@pytest.mark.parametrize("language", ["en", "fr"])
def test_no_page_speaks_of_the_repository_or_to_operators(browser_of, ada, language):
    """A customer has a browser and the API; the document and the receivers are read with the pages."""
    pages = {*EVERY, "/openapi.json", *(f"/docs/reference?lang={each}" for each in LANGUAGES)}
    for receiver in RECEIVERS:
        pages |= {f"/docs/webhooks?lang={receiver.key}", f"/docs/receivers/{receiver.file}"}
    wrong = {}
    for path in pages:
        for reader in (Client(), browser_of(ada)):
            answer = reader.get(path, headers={"accept-language": language})
            assert answer.status_code == 200, path
            page = answer.content.decode()
            assert "/docs/" not in path or "receivers/" in path or f'<html lang="{language}"' in page, path
            wrong |= {f"{path}: {found[0]}": page[max(0, found.start() - 60) : found.end() + 60]
                      for found in OPERATORS_WORDS.finditer(page)}  # fmt: skip
    assert wrong == {}


@pytest.mark.pure
def test_the_changelog_of_operators_would_be_found():
    operators = read("CHANGELOG.md").split("### API")[0] + read("CHANGELOG.md").partition("### Security")[2]
    found = {match[0] for match in OPERATORS_WORDS.finditer(operators)}
    assert {"manage.py", "PostgreSQL", "Redis", "granian", "ENCRYPTION_KEYS", "DATABASE_URL", ".env"} <= found


def test_calls_are_copied_as_curl_without_the_key(browser_of, ada, acme, acme_key, api):
    api(acme_key).patch("/v1/users/user_1", {"name": "Jo"})
    for path in (f"api-keys/{acme_key.row.public_id}/", "audit/?category=api_call"):
        page = unescape(text(browser_of(ada), f"/o/acme/settings/integration/{path}"))
        assert 'curl -X PATCH "http://127.0.0.1:8000/v1/users/$USER_ID"' in page and "@body.json" in page, path
        assert '"Authorization: Bearer $API_KEY"' in page
        assert acme_key.text not in page and acme_key.text[16:] not in page


def test_the_page_of_a_key_has_its_first_call_until_it_ends(browser_of, ada, acme, acme_key):
    path = f"/o/acme/settings/integration/api-keys/{acme_key.row.public_id}/"
    page = text(browser_of(ada), path)
    assert [language for language in LANGUAGES if f'id="first-call-{language}"' not in page] == []
    actions.revoke_key(actor=system(acme.pk), key_id=acme_key.row.public_id)
    assert "first-call-" not in text(browser_of(ada), path)

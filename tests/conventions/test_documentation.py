"""Pages that cannot rot: what exists in the code and has no word in the documentation turns the build red."""

import ast
import inspect
import re
from pathlib import Path

import pytest

from apps.api_keys.catalogue import HOST_SCOPES, KEY_TYPES
from apps.base import errors
from apps.base.error_codes import ERROR_CODES
from apps.base.permissions import ADMIN, PORTAL_SCOPES
from apps.credentials import key_status
from apps.webhooks.types.builtin_types import PORTAL_EVENTS
from apps.webhooks.types.host_product_types import HOST_PRODUCT_EVENTS
from integrations_portal.urls import APPS
from tests.conventions.tree import (
    ROOT,
    calls_in,
    documents,
    names_word,
    python_modules,
    read,
    texts,
)

pytestmark = pytest.mark.pure

SETTINGS = ROOT / "integrations_portal/settings.py"
READERS = {"text", "boolean", "integer", "choice", "words", "networks", "networks_with_ports", "key_ring", "seconds",
           "limits", "base_url", "contact", "database", "mail_server", "required"}  # fmt: skip
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]+")
NOT_OF_THE_PORTAL = {"POSTGRES_PASSWORD"}  # compose.yaml's own
METRICS = {"Counter", "Gauge", "Histogram", "Metric", "Summary", "_gauge", "CounterMetricFamily", "GaugeMetricFamily",
           "HistogramMetricFamily"}  # fmt: skip
CODE = re.compile(r"[a-z]+(?:_[a-z]+)*")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def settings_variables() -> set[str]:
    """Return the variables that settings.py reads."""
    found = {text for name, call in calls_in(SETTINGS) if name in READERS for text in texts(call.args[:1])}
    # Some are read in a loop over (name, value) pairs, and are named as settings all the same.
    return {name for name in found if VARIABLE.fullmatch(name)}


def error_classes() -> dict[str, type[errors.PortalError]]:
    """Return PortalError and what is made of it."""
    classes = inspect.getmembers(errors, inspect.isclass)
    return {name: each for name, each in classes if issubclass(each, errors.PortalError)}


def raised_codes() -> set[str]:
    """Return the codes that the code gives to errors: by position, by name, as a default, or by the state of a key."""
    found = set()
    for path in python_modules():
        for name, call in calls_in(path):
            within_errors = path == ROOT / "apps/base/errors.py" and name == "__init__"
            if name in error_classes() or within_errors:
                named = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
                found |= {text for text in texts([*call.args[1:2], *named]) if CODE.fullmatch(text)}
    return found | default_codes() | set(key_status.ERROR_CODES)


def default_codes() -> set[str]:
    """Return the codes that error classes have unless told otherwise."""
    signatures = (inspect.signature(each).parameters for each in error_classes().values())
    return {parameters["code"].default for parameters in signatures if "code" in parameters} - {inspect.Parameter.empty}


def commands() -> set[str]:
    """Return the product's management commands."""
    places = ("apps/*/management/commands/*.py", "integrations_portal/management/commands/*.py")
    files = [path for place in places for path in ROOT.glob(place)]
    return {path.stem for path in files if not path.stem.startswith("_")} | {"test"}


def metric_names() -> set[str]:
    """Return the names under which Prometheus sees the portal's metrics."""
    found = set()
    for path in python_modules():
        for function, call in calls_in(path):
            for name in texts(call.args[:1]) if function in METRICS else ():
                is_counter = function in ("Counter", "Metric", "CounterMetricFamily")
                found.add(f"{name.removesuffix('_total')}_total" if is_counter else name)
    return found


def routes() -> set[str]:
    """Return the routes of the API as they are served."""
    return {pattern.callback.view_initkwargs["route"] for app in APPS for pattern in app.api}


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"(?ms)^```.*?^```", "", page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def unnamed(names: set[str], page: str) -> list[str]:
    """Return the names that a page does not have."""
    return sorted(name for name in names if not names_word(read(page), name))


def test_there_is_something_to_document():
    assert len(settings_variables()) >= 20
    assert {"invalid_request", "not_found", "rate_limited", "key_limit_reached", "insufficient_scope"} <= raised_codes()
    assert {"/v1/me", "/v1/users/{id}", "/v1/api-keys/{id}/revoke"} <= routes()
    assert {"portal_redis_unavailable_total", "portal_workers", "portal_webhook_attempts_total"} <= metric_names()


def test_every_setting_is_in_the_example_of_the_environment():
    given = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", read(".env.example"), re.MULTILINE))
    assert given - NOT_OF_THE_PORTAL == settings_variables()


def test_every_setting_is_explained():
    explained = set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)`", read("docs/configure.md"), re.MULTILINE))
    assert settings_variables() - explained == set()


def test_no_setting_is_explained_that_is_not_read():
    page = read("docs/configure.md").partition("## Not settings of the portal")[0]
    explained = set(re.findall(r"^\| `([A-Z][A-Z0-9_]+)`", page, re.MULTILINE))
    assert explained - settings_variables() == set()


def test_the_document_of_errors_has_the_catalogue_by_status():
    sections = re.findall(r"^## (\d{3})$(.*?)(?=^## |\Z)", read("docs/errors.md"), re.MULTILINE | re.DOTALL)
    told = {code: int(status) for status, text in sections for code in re.findall(r"^### `(\w+)`$", text, re.MULTILINE)}
    assert told == {name: code.status for name, code in ERROR_CODES.items()}


def test_the_contract_names_the_codes_of_each_status():
    table = read("docs/api.md").partition("| status | code |")[2].partition("\n\n")[0]
    for statuses, said in re.findall(r"^\| ([\d ]+)[^|]*\| (.*) \|$", table, re.MULTILINE):
        codes = {name for name, code in ERROR_CODES.items() if str(code.status) in statuses.split()}
        assert codes == set(re.findall(r"`([a-z_]+)`", said)) & set(ERROR_CODES), statuses


def test_every_error_code_is_on_the_portals_own_page():
    assert raised_codes() ^ set(ERROR_CODES) == set()


def test_every_event_type_is_in_the_contract():
    assert unnamed({*PORTAL_EVENTS, *HOST_PRODUCT_EVENTS}, "docs/api.md") == []


def test_every_scope_and_key_type_is_in_the_contract():
    assert unnamed({ADMIN, *map(str, PORTAL_SCOPES), *HOST_SCOPES, *KEY_TYPES}, "docs/api.md") == []


def test_every_route_is_named_as_served():
    page = read("docs/api.md")
    served = page.partition("## What is served today")[2].partition("\n## ")[0]
    assert sorted(route for route in routes() if f"`{route}`" not in served) == []


def test_no_route_is_named_as_served_that_is_not():
    served = read("docs/api.md").partition("## What is served today")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(/v1/[^`]+)`", served)) - routes() == set()


def test_every_command_is_documented():
    pages = "\n".join(documents().values())
    assert sorted(name for name in commands() if not re.search(rf"manage\.py {name}\b", pages)) == []


def test_no_command_is_documented_as_there_that_is_not():
    table = read("docs/api.md").partition("## Commands")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| `") and "*(planned)*" not in line]
    named = {match[1] for row in rows if (match := re.search(r"manage\.py (\w+)", row))}
    assert named - commands() == set()


def test_every_metric_is_explained():
    assert unnamed(metric_names(), "docs/operate.md") == []


def test_every_link_between_pages_leads_somewhere():
    broken = []
    for name, page in documents().items():
        for target in LINK.findall(page):
            if "://" in target:
                continue
            path, _, anchor = target.partition("#")
            file = ((ROOT / name).parent / path).resolve() if path else ROOT / name
            if not file.exists() or (anchor and anchor not in anchors(file.read_text(encoding="utf-8"))):
                broken.append(f"{name}: {target}")
    assert broken == []


def test_every_file_that_a_promise_names_exists():
    named = re.findall(r"`((?:tests|docs|apps|benchmarks|\.ci)/[\w./-]+)", read("README.md") + read("docs/promises.md"))
    assert len(named) > 40 and [name for name in named if not (ROOT / name).exists()] == []


def test_the_readme_and_the_records_are_short():
    records = sorted((ROOT / "docs/adr").glob("*.md"))
    assert len(read("README.md").splitlines()) <= 130
    assert [record.name for record in records if len(read(record).splitlines()) > 25] == []
    numbers = [int(record.name[:4]) for record in records]
    assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("path", [SETTINGS], ids=["settings"])
def test_the_reader_of_settings_knows_every_method(path: Path):
    methods = {
        node.func.attr
        for node in ast.walk(ast.parse(read(path)))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name) and node.func.value.id == "env"
    }  # fmt: skip
    assert methods <= READERS

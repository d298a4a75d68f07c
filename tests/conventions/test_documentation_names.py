"""The other direction of test_documentation.py: what the pages name is there, parses, and leads somewhere."""

import ast
import re
import subprocess
from functools import cache

import pytest
import yaml
from django.contrib import admin
from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, resolve

from apps.api_keys.catalogue import HOST_SCOPES, KEY_TYPES
from apps.audit.vocabulary import SENTENCES
from apps.base.extension_points import periodic_jobs
from apps.base.permissions import ADMIN, Permission
from apps.webhooks.types.builtin_types import PORTAL_EVENTS
from apps.webhooks.types.host_product_types import HOST_PRODUCT_EVENTS
from integrations_portal.environment.variables import Environment
from tests.conventions.test_documentation import anchors, metric_names, raised_codes, settings_variables
from tests.conventions.tree import ROOT, calls_in, documents, read, repository_files
from tests.openapi.api_page import example_of

pytestmark = pytest.mark.pure

# Also within a step of a list, which is set in.
FENCED = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
# Words of examples, and names of somebody else's.
VARIABLES_OF_OTHERS = {"NAME_FILE", "SECRET_KEY_FILE", "WEBHOOK_SECRET", "LC_ALL", "API_KEY", "SDK_KEY"}
SCOPES_OF_EXAMPLES = {"a:read", "b:write"}
TYPES_OF_EXAMPLES = {"a.b", "endpoint.check", "api.call", "delivery.attempted", "audit.record_change"}
FOREIGN_PATHS = re.compile(r"/(?:etc|run|srv|var|32|128|me)\b|.*[…*]")
FILE = re.compile(r"([\w./-]+/)?[\w.-]+\.(?:py|html|css|js|yaml|yml|toml|txt|md)")
NOT_FILES = {"gate.py", "publish.py", "receive.py", "check.py", "kept.json"}
SAMPLES = {"{name}": "order.created", "<slug>": "acme", "{act}": "act_0123456789ABCDEFGHIJKL"}
ID = "{id}"


@cache
def pages() -> dict[str, str]:
    """Return the pages about what is there now: no history, and no records of decisions."""
    left_out = ("CHANGELOG.md", "docs/adr/")
    return {name: page for name, page in documents().items() if not name.startswith(left_out)}


def inline() -> dict[str, set[str]]:
    """Return the words set as code in each page's text."""
    return {name: set(INLINE.findall(FENCED.sub("", page))) for name, page in pages().items()}


def fenced(*languages: str) -> list[tuple[str, str]]:
    """Return the fenced blocks in some languages, each with the name of its page."""
    found = ((name, match) for name, page in pages().items() for match in FENCED.finditer(page))
    return [(name, match[2]) for name, match in found if match[1] in languages]


def commands_of(block: str) -> str:
    """Return what a person types of a console block: its lines after ``$``, and what continues them."""
    return "".join(match[1] for match in re.finditer(r"^ *\$ ((?:.*\\\n)*.*(?:\n|\Z))", block, re.MULTILINE))


def unknown(pattern: str, known: set[str]) -> list[str]:
    """Return the words of a form that the pages set as code and that are not known."""
    found = {(name, word) for name, words in inline().items() for each in words for word in re.findall(pattern, each)}
    return sorted(f"{name}: {word}" for name, word in found if word not in known)


def test_there_is_something_to_look_at():
    assert {"README.md", "docs/run.md", "docs/operate.md", "docs/integrate.md"} <= set(pages())
    assert len(fenced("json")) >= 5 and len(fenced("console")) >= 10 and len(fenced("python")) >= 4


def test_no_setting_is_named_that_is_not_read():
    beside = set(re.findall(r"`([A-Z][A-Z0-9_]+)`", read("docs/configure.md").partition("## Not settings")[2]))
    known = settings_variables() | beside | VARIABLES_OF_OTHERS
    assert unknown(r"(?<![\w.])[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+(?![\w…])", known) == []


def test_defaults_and_bounds_are_those_of_the_code():
    page, wrong = read("docs/configure.md"), []
    for name, call in calls_in(ROOT / "integrations_portal/settings.py"):
        if name != "integer":
            continue
        variable = ast.literal_eval(call.args[0])
        values = {each.arg: ast.literal_eval(each.value) for each in call.keywords}
        row = re.search(rf"^\| `{variable}` \|(.*)\| `(\d+)` \| `[^`]+` \|$", page, re.MULTILINE)
        within = f"{values['low']}–{values['high']}"
        fits = row and int(row[2]) == values["default"] and (within in row[1] or f"up to {values['high']}" in row[1])
        wrong += [] if fits else [variable]
    assert wrong == []
    assert hasattr(Environment, "integer")


def test_defaults_in_words_are_those_of_the_code():
    page, seen = read("docs/configure.md"), 0
    for name, call in calls_in(ROOT / "integrations_portal/settings.py"):
        if name not in ("choice", "limits", "seconds", "text") or len(call.args) < 2:
            continue
        variable, default = call.args[:2]
        if isinstance(variable, ast.Constant) and isinstance(default, ast.Constant) and default.value:
            row = next(line for line in page.splitlines() if line.startswith(f"| `{variable.value}` |"))
            assert row.split(" | ")[2].strip("`") == default.value
            seen += 1
    assert seen >= 4


def test_no_scope_or_permission_is_named_that_is_not_there():
    known = {ADMIN, *map(str, Permission), *HOST_SCOPES, *SCOPES_OF_EXAMPLES}
    assert unknown(r"(?<![\w:])[a-z_]+:(?:read|write|verify|export|own)\b", known) == []


def test_every_permission_is_explained():
    page = read("docs/api.md")
    assert [each for each in map(str, Permission) if f"`{each}`" not in page] == []


def test_no_event_type_or_action_is_named_that_is_not_there():
    prefixes = {name.partition(".")[0] for name in (*PORTAL_EVENTS, *HOST_PRODUCT_EVENTS, *SENTENCES)}
    jobs = {sweep.name for sweep in periodic_jobs.registered()}
    known = {*PORTAL_EVENTS, *HOST_PRODUCT_EVENTS, *SENTENCES, *TYPES_OF_EXAMPLES, *jobs}
    pattern = rf"(?<![\w./])(?:{'|'.join(sorted(prefixes))})\.[a-z_]+(?![\w(./])"
    assert [each for each in unknown(pattern, known) if not FILE.fullmatch(each.rpartition(" ")[2])] == []


def test_the_table_of_key_types_is_that_of_the_code():
    table = read("docs/api.md").partition("| key type |")[2].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(KEY_TYPES)


def test_error_codes_are_planned_or_raised_and_never_both():
    page = read("docs/errors.md")
    sections = dict(re.findall(r"^### `(\w+)`\n(.*?)(?=^#|\Z)", page, re.MULTILINE | re.DOTALL))
    planned = {code for code, text in sections.items() if text.startswith("*Planned.*")}
    assert set(sections) - raised_codes() == planned
    listed = set(re.findall(r"`([a-z_]+)`", read("docs/api.md").partition("| status | code |")[2].partition("\n\n")[0]))
    assert listed - set(sections) == set() and raised_codes() - listed == set()


def test_no_metric_is_named_that_is_not_there():
    text = "\n".join([*pages().values(), read("docs/alerts.yml")])
    named = set(re.findall(r"\bportal_(?:webhook|worker|clock|database|redis|api)[a-z_]*[a-z]\b", text))
    assert {name.removesuffix("_bucket") for name in named} - metric_names() - {
        "portal_webhook",
        "portal_worker",
    } == set()


def test_every_metric_has_its_rule_and_every_rule_its_row():
    rules = {
        rule["alert"]: rule for group in yaml.safe_load(read("docs/alerts.yml"))["groups"] for rule in group["rules"]
    }
    rows = dict(re.findall(r"^\| `(portal_\w+)[^|]*\|[^|]*\|([^|]*)\|$", read("docs/operate.md"), re.MULTILINE))
    assert set(rows) == metric_names()
    for metric, cell in rows.items():
        named = re.findall(r"`(\w+)`", cell)
        assert named or cell.strip().startswith("none: "), metric
        assert [name for name in named if metric not in rules[name]["expr"]] == []
    assert set(rules) == {name for cell in rows.values() for name in re.findall(r"`(\w+)`", cell)}
    places = [re.search(r"docs/(\w+\.md)#([\w-]+)", rule["annotations"]["summary"]) for rule in rules.values()]
    assert None not in places, "every rule says where to read what to do"
    assert [place[0] for place in places if place and place[2] not in anchors(read(f"docs/{place[1]}"))] == []


def typed() -> list[tuple[str, str]]:
    """Return every command line with ``manage.py`` in it: what is typed, and what is set as code."""
    blocks = [(name, commands_of(block).replace("\\\n", " ")) for name, block in fenced("console")]
    lines = [(name, line) for name, block in blocks for line in block.splitlines()]
    return [(name, line) for name, line in (*lines, *((n, w) for n, ws in inline().items() for w in ws))
            if "manage.py " in line]  # fmt: skip


def test_no_command_or_option_is_named_that_is_not_there():
    wrong = []
    for name, line in typed():
        command, _, rest = line.partition("manage.py ")[2].partition(" ")
        words = re.sub(r"#.*|\bmanage\.py .*|\s&&.*", "", rest)
        if command == "test" or not re.fullmatch(r"[a-z_]+", command):
            continue
        if command not in get_commands():
            wrong.append(f"{name}: {command}")
            continue
        app = get_commands()[command]
        parser = load_command_class(app if isinstance(app, str) else app.name, command).create_parser(
            "manage.py", command
        )
        options = {option for action in parser._actions for option in action.option_strings}
        wrong += [f"{name}: {command} {each}" for each in re.findall(r"--[a-z-]+", words) if each not in options]
    assert wrong == []
    assert len(typed()) > 40


def test_every_path_is_served():
    wrong = []
    for name, words in inline().items():
        for word in words:
            path = re.sub(r"^(?:GET|POST|PUT|PATCH|DELETE) ", "", word).partition("?")[0].split(" ")[0]
            if not path.startswith("/") or FOREIGN_PATHS.match(path):
                continue
            for sample, value in SAMPLES.items():
                path = path.replace(sample, value)
            try:
                match = resolve(path.replace(ID, "0123456789ABCDEFGHIJKL"))
            except Resolver404:
                # Such as ``/invitation/``: what stands before the rest of a path.
                match = None
                if not any(str(route).startswith(path.strip("/")) for route in _beginnings()):
                    wrong.append(f"{name}: {word}")
            if match and match.url_name == "api-unknown" and path != "/v1":
                wrong.append(f"{name}: {word}")
    assert wrong == []


def test_nothing_is_called_planned_that_is_served():
    planned = re.findall(r"`(?:[A-Z]+ )?(/[^`]+)` \*\(planned\)\*", "\n".join(pages().values()))
    for path in planned:
        with pytest.raises(Resolver404):
            resolve(path)


@cache
def _beginnings() -> tuple[str, ...]:
    from integrations_portal.urls import APPS

    return tuple(str(route.pattern) for app in APPS for route in app.pages)


def test_every_path_of_operators_is_documented():
    from integrations_portal.urls import urlpatterns

    forms = {"account/", "language/", "organizations/"}  # of everybody, and found by links
    own = {str(route.pattern) for route in urlpatterns if re.fullmatch(r"[a-z]+/?", str(route.pattern))} - forms
    text = "\n".join(pages().values())
    assert {"healthz", "readyz", "metrics", "admin/"} <= own
    assert [path for path in own if f"`/{path}`" not in text and f"`/{path.strip('/')}`" not in text] == []


def test_pages_of_operators_are_called_as_they_are():
    titles = {str(model._meta.verbose_name_plural).lower() for model in admin.site._registry} | {"periodic jobs"}
    text = re.sub(r"\s+", " ", " ".join(pages().values()))
    named = re.findall(r"`/admin/` → ([\w -]+?)(?=[:.,;)|]| \|| and | or |$)", text)
    assert len(named) > 5 and [name for name in named if name.strip().lower() not in titles] == []


def test_every_file_that_a_page_names_exists():
    """Whole, or as the end of a path where the page has said which app it speaks of."""
    files = {path.relative_to(ROOT).as_posix() for path in repository_files()}
    ends = files | {"/".join(file.split("/")[start:]) for file in files for start in range(file.count("/") + 1)}
    named = {(name, re.sub(r":\w+$", "", word)) for name, words in inline().items() for word in words}
    wrong = [f"{name}: {word}" for name, word in named if FILE.fullmatch(word) and word not in ends | NOT_FILES]
    assert wrong == []


def test_every_json_parses():
    """An object may end in an ellipsis."""
    for name, block in fenced("json"):
        try:
            example_of(block)
        except ValueError as problem:
            pytest.fail(f"{name}: {problem}\n{block}")


def test_every_python_compiles_and_every_command_is_bash():
    for name, block in fenced("python"):
        compile(block, name, "exec")
    for name, block in [*fenced("bash"), *((name, commands_of(block)) for name, block in fenced("console"))]:
        checked = subprocess.run(["bash", "-n"], input=block, capture_output=True, text=True)
        assert block.strip() and checked.returncode == 0, f"{name}: {checked.stderr}\n{block}"


def test_every_fence_says_its_language_and_is_closed():
    known = {"", "console", "bash", "http", "ini", "java", "javascript", "json", "kotlin", "nginx", "php", "python",
             "ruby", "go", "sql", "yaml"}  # fmt: skip
    for name, page in pages().items():
        assert len(re.findall(r"^```", page, re.MULTILINE)) % 2 == 0, name
        assert {match[1] for match in FENCED.finditer(page)} <= known, name

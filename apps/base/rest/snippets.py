"""Code snippets of API requests for curl, Python and Node, on all pages.

What differs by reader (a key, an id) is a ``Variable``, which each language reads from the environment, so that no
snippet contains a key. Everything else is quoted by the rules of the language.
"""

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from apps.base.rest.operations import Operation

API_KEY, SDK_KEY = "API_KEY", "SDK_KEY"
LANGUAGES = {"curl": "curl", "python": "Python", "node": "Node"}
WITH_BODY = ("POST", "PUT", "PATCH")
JSON, TEXT, NO_BODY = "json", "text", ""

PARAMETER = re.compile(r"(\{\w+\})")
# Characters without a meaning within double quotes in a shell; "!" has one in an interactive shell.
SHELL_SAFE = re.compile(r"[\w@%+=:,./ ?&*;-]*", re.ASCII)
NEEDLESS_BRACES, WITHOUT_BRACES = re.compile(r"\$\{(\w+)\}(?!\w)"), r"$\1"
MAX_LINE_LENGTH = 60


@dataclass(frozen=True)
class Variable:
    """An environment variable that the reader sets."""

    name: str


TextWithVariables = tuple[str | Variable, ...]


@dataclass(frozen=True)
class SnippetRequest:
    """A request with its URL and headers as texts with variables; ``body`` is a JSON value.

    ``body_from_file``: the body is unknown and read from a file. ``response_type``: JSON, TEXT or NO_BODY.
    """

    method: str
    url: TextWithVariables
    headers: tuple[tuple[str, TextWithVariables], ...] = ()
    body: Any = None
    body_from_file: bool = False
    response_type: str = JSON


def render_snippet(request: SnippetRequest, language: str) -> str:
    """Return the request in one of LANGUAGES."""
    return {"curl": as_curl, "python": as_python, "node": as_node}[language](request)


# Requests


def request_for(operation: Operation, method: str, route: str, callers: tuple[str, ...]) -> SnippetRequest:
    """Return the request of an operation, with its example body and its required parameters."""
    given = {each.name: each.example for each in operation.parameters if each.required and each.where == "query"}
    headers = [(each.name, (Variable(_name(each.name.removeprefix("X-"))),)) for each in operation.parameters
               if each.where == "header"]  # fmt: skip
    response = next(iter(operation.responses.values()))
    response_type = TEXT if response.media_types else JSON if response.serializer is not None else NO_BODY
    url = (*url_of(route), f"?{urlencode(given)}") if given else url_of(route)
    return SnippetRequest(
        method,
        url,
        (*_credential(callers), *headers),
        operation.body.example() if operation.body else None,
        response_type=response_type,
    )


def first_request(key: str = "") -> SnippetRequest:
    """Return a request that every API key can make; ``key``: the key itself, on the page that shows it once."""
    return SnippetRequest("GET", url_of("/v1/me"), (("Authorization", ("Bearer ", key or Variable(API_KEY))),))


def first_request_snippets() -> list[dict[str, str]]:
    """Return that request in every language, for a reader who has a key."""
    return [
        {"id": key, "title": title, "code": render_snippet(first_request(), key)} for key, title in LANGUAGES.items()
    ]


def logged_request(method: str, route: str, key_prefix: str = "") -> SnippetRequest:
    """Return a request of the call log, which stores no ids, no body and no key."""
    callers = ("sdk_key",) if key_prefix == "sdk" else ("api_key",)
    return SnippetRequest(method, url_of(route), _credential(callers), body_from_file=method in WITH_BODY)


def url_of(route: str) -> TextWithVariables:
    """Return the URL of a route, with each ``{id}`` as a variable named for its object."""
    before: str = settings.PUBLIC_URL
    pieces: list[str | Variable] = []
    for piece in PARAMETER.split(route):
        if PARAMETER.fullmatch(piece):
            pieces += [before, Variable(variable_of(before, piece[1:-1]))]
            before = ""
        else:
            before += piece
    return (*pieces, before) if before else tuple(pieces)


def variable_of(before: str, parameter: str) -> str:
    """Return the variable name of a path parameter: ``API_KEY_ID`` after ``/v1/api-keys/``."""
    owner = before.rstrip("/").rpartition("/")[2]
    one = f"{owner.removesuffix('ies')}y" if owner.endswith("ies") else owner.removesuffix("s")
    return _name(f"{one}_{'name' if parameter == 'name' else 'id'}")


def _name(text: str) -> str:
    return re.sub(r"\W", "_", text, flags=re.ASCII).upper()


def _credential(callers: tuple[str, ...]) -> tuple[tuple[str, TextWithVariables], ...]:
    if not callers:
        return ()
    return (("Authorization", ("Bearer ", Variable(SDK_KEY if "sdk_key" in callers else API_KEY))),)


# curl


def as_curl(request: SnippetRequest) -> str:
    """Return the request as a command for a POSIX shell."""
    # Without --globoff curl expands these characters to a list of URLs.
    has_globs = any(letter in piece for piece in request.url if isinstance(piece, str) for letter in "[]{}")
    # "-X HEAD" would wait for a body of the response's Content-Length.
    flags = {"GET": "", "HEAD": "--head "}
    method = flags.get(request.method, f"-X {shlex.quote(request.method)} ")
    words = [f"curl {'--globoff ' if has_globs else ''}{method}{_shell(request.url)}"]
    for name, value in request.headers:
        # "Name:" would remove the header; "Name;" sends it empty.
        words.append(f"-H {_shell((f'{name}: ', *value) if any(value) else (f'{name};',))}")
    if request.body is not None or request.body_from_file:
        words.append(f"-H {shlex.quote('Content-Type: application/json')}")
        words.append(
            "--data-binary @body.json" if request.body_from_file else _data(_literal(request.body, JSON_WORDS, "  "))
        )
    return " \\\n  ".join(words)


def request_as_curl(method: str, url: str, headers: Mapping[str, str], body: str) -> str:
    """Return a request that was sent, with its exact headers and body, as a command for a POSIX shell."""
    request = SnippetRequest(method, (url,), tuple((name, (value,)) for name, value in headers.items()))
    return f"{as_curl(request)} \\\n  {_data(body)}"


def _data(body: str) -> str:
    # Raw: a leading "@" names no file.
    return f"--data-raw {shlex.quote(body)}"


def _shell(text: TextWithVariables) -> str:
    literals = [piece for piece in text if isinstance(piece, str)]
    if len(literals) == len(text):
        return shlex.quote("".join(literals))
    if not all(SHELL_SAFE.fullmatch(piece) for piece in literals):
        return "".join(shlex.quote(piece) if isinstance(piece, str) else f'"${piece.name}"' for piece in text)
    pieces = [piece if isinstance(piece, str) else f"${{{piece.name}}}" for piece in text]
    # Braces are needed only where the next character could belong to the name.
    return f'"{NEEDLESS_BRACES.sub(WITHOUT_BRACES, "".join(pieces))}"'


# Python


def as_python(request: SnippetRequest) -> str:
    """Return the request as a Python program with the requests library."""
    lines = [f"    {_python(request.url)},"]
    if request.headers:
        headers = ", ".join(f"{_quoted(name)}: {_python(value)}" for name, value in request.headers)
        lines.append(f"    headers={{{headers}}},")
    if request.body is not None:
        lines.append(f"    json={_literal(request.body, PYTHON_WORDS, '    ')},")
    lines.append("    timeout=30,")
    head = "import os\n\nimport requests\n" if _has_variables(request) else "import requests\n"
    output = {JSON: "answer.json()", TEXT: "answer.text", NO_BODY: "answer.status_code"}[request.response_type]
    body = "\n".join(lines)
    return (
        f"{head}\nanswer = requests.{request.method.lower()}(\n{body}\n)\nanswer.raise_for_status()\nprint({output})\n"
    )


def _python(text: TextWithVariables) -> str:
    if all(isinstance(piece, str) for piece in text):
        return _quoted("".join(map(str, text)))
    pieces = [
        _quoted(piece)[1:-1].replace("{", "{{").replace("}", "}}")
        if isinstance(piece, str)
        else f"{{os.environ['{piece.name}']}}"
        for piece in text
    ]
    return f'f"{"".join(pieces)}"'


# Node


def as_node(request: SnippetRequest) -> str:
    """Return the request as an ECMAScript module for Node 18 or later."""
    options = [] if request.method == "GET" else [f"  method: {_quoted(request.method)},"]
    headers = [f"{name if name.isalpha() else _quoted(name)}: {_node(value)}" for name, value in request.headers]
    if request.body is not None:
        headers.append('"Content-Type": "application/json"')
    if headers:
        options.append(f"  headers: {{ {', '.join(headers)} }},")
    if request.body is not None:
        options.append(f"  body: JSON.stringify({_literal(request.body, JSON_WORDS, '  ')}),")
    output = {JSON: "await answer.json()", TEXT: "await answer.text()", NO_BODY: "answer.status"}[request.response_type]
    lines = "\n".join(["{", *options, "}"])
    address = f"{_node(request.url)}, {lines}" if options else _node(request.url)
    refusal = "if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);"
    return f"const answer = await fetch({address});\n{refusal}\nconsole.log({output});\n"


def _node(text: TextWithVariables) -> str:
    if all(isinstance(piece, str) for piece in text):
        return _quoted("".join(map(str, text)))
    pieces = [_in_template(piece) if isinstance(piece, str) else f"${{process.env.{piece.name}}}" for piece in text]
    return f"`{''.join(pieces)}`"


def _in_template(piece: str) -> str:
    # A carriage return in a template is read as a line feed.
    for was, becomes in (("\\", "\\\\"), ("`", "\\`"), ("${", "\\${"), ("\r", "\\r")):
        piece = piece.replace(was, becomes)
    return piece


# Values

JSON_WORDS = {True: "true", False: "false", None: "null"}
PYTHON_WORDS = {True: "True", False: "False", None: "None"}


def _has_variables(request: SnippetRequest) -> bool:
    texts = (request.url, *(value for _name, value in request.headers))
    return any(isinstance(piece, Variable) for text in texts for piece in text)


def _quoted(text: str) -> str:
    """Return a string literal that is valid in JSON, Python and ECMAScript."""
    return json.dumps(text, ensure_ascii=False)


def _literal(value: Any, words: Mapping[Any, str], indent: str = "") -> str:
    """Return the literal of a JSON value, on one line where it is short."""
    if value is None or isinstance(value, bool):
        return words[value]
    if not isinstance(value, dict | list) or not value:
        return _quoted(value) if isinstance(value, str) else json.dumps(value)
    inner = f"{indent}{'    ' if words is PYTHON_WORDS else '  '}"
    if isinstance(value, dict):
        items = [f"{_quoted(str(name))}: {_literal(each, words, inner)}" for name, each in value.items()]
    else:
        items = [_literal(each, words, inner) for each in value]
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    flat = f"{opening}{', '.join(items)}{closing}"
    if len(flat) <= MAX_LINE_LENGTH and "\n" not in flat:
        return flat
    last = "," if words is PYTHON_WORDS else ""
    lines = f",\n{inner}".join(items)
    return f"{opening}\n{inner}{lines}{last}\n{indent}{closing}"

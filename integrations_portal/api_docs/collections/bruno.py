"""The API as a Bruno collection: a zip archive of one folder, to be unpacked and opened in Bruno."""

from collections.abc import Iterable, Iterator
from io import BytesIO
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from apps.base.rest.renderers import to_json
from integrations_portal.api_docs.collections.bru_text import bru_file, names_block, pairs_block, text_block
from integrations_portal.api_docs.collections.file_names import file_name, file_names
from integrations_portal.api_docs.collections.requests import (
    DEFAULT_KEY,
    JSON_TYPE,
    KEY_VARIABLES,
    URL_VARIABLE,
    ApiRequest,
    ExampleResponse,
    Field,
    Folder,
    folders,
    introduction,
    server_url,
    variable,
)

ENVIRONMENTS, FOLDER_FILE = "environments", "folder"
# The earliest time that the zip format has: the same document always gives the same bytes.
FIXED_TIME = (1980, 1, 1, 0, 0, 0)
# Readable by everybody once it is unpacked.
FILE_MODE = 0o100644


def bruno_archive(document: dict[str, Any]) -> bytes:
    """Return the zip archive."""
    top = file_name(document["info"]["title"])
    buffer = BytesIO()
    with ZipFile(buffer, "w") as archive:
        for path, text in sorted(bruno_files(document).items()):
            entry = ZipInfo(f"{top}/{path}", FIXED_TIME)
            entry.external_attr = FILE_MODE << 16
            archive.writestr(entry, text, ZIP_DEFLATED)
    return buffer.getvalue()


def bruno_files(document: dict[str, Any]) -> dict[str, str]:
    """Return the collection's files by path."""
    found = {
        "bruno.json": _settings(document),
        "collection.bru": _collection(document),
        f"{ENVIRONMENTS}/Portal.bru": _environment(document),
    }
    every = folders(document)
    paths = file_names((each.name for each in every), ENVIRONMENTS)
    for number, (folder, path) in enumerate(zip(every, paths, strict=True), 1):
        found[f"{path}/{FOLDER_FILE}.bru"] = _folder(folder, number)
        names = file_names((each.id for each in folder.requests), FOLDER_FILE)
        for place, (request, name) in enumerate(zip(folder.requests, names, strict=True), 1):
            found[f"{path}/{name}.bru"] = _request(request, place)
    return found


def _settings(document: dict[str, Any]) -> str:
    return to_json({"version": "1", "name": document["info"]["title"], "type": "collection"}, indent=2) + "\n"


def _collection(document: dict[str, Any]) -> str:
    return bru_file(
        pairs_block("meta", [("name", document["info"]["title"])]),
        pairs_block("auth", [("mode", "bearer")]),
        _token(DEFAULT_KEY),
        text_block("docs", introduction(document)),
    )


def _environment(document: dict[str, Any]) -> str:
    return pairs_block("vars", [(URL_VARIABLE, server_url(document))]) + names_block(
        "vars:secret", KEY_VARIABLES.values()
    )


def _token(key_variable: str) -> str:
    return pairs_block("auth:bearer", [("token", variable(key_variable))])


def _folder(folder: Folder, number: int) -> str:
    return bru_file(
        pairs_block("meta", [("name", folder.name), ("seq", str(number))]),
        pairs_block("auth", [("mode", "inherit")]),
        text_block("docs", folder.text),
    )


def _request(request: ApiRequest, place: int) -> str:
    has_own_key = request.key_variable not in ("", DEFAULT_KEY)
    call = [
        ("url", request.url),
        ("body", "none" if request.body is None else "json"),
        ("auth", "bearer" if has_own_key else "inherit" if request.key_variable else "none"),
    ]
    content_type = [] if request.body is None else [("Content-Type", JSON_TYPE)]
    return bru_file(
        pairs_block("meta", [("name", request.name), ("type", "http"), ("seq", str(place))]),
        pairs_block(request.method.lower(), call),
        pairs_block("params:query", _pairs(request.fields_in("query"))),
        pairs_block("params:path", ((field.name, field.value) for field in request.fields_in("path"))),
        pairs_block("headers", [*content_type, *_pairs(request.fields_in("header"))]),
        _token(request.key_variable) if has_own_key else "",
        "" if request.body is None else text_block("body:json", request.body),
        text_block("docs", "\n\n".join(_documentation(request))),
    )


def _pairs(fields: Iterable[Field]) -> Iterator[tuple[str, str]]:
    for field in fields:
        yield field.name if field.is_required else f"~{field.name}", field.value


def _documentation(request: ApiRequest) -> Iterator[str]:
    """Yield the parts of a request's description: a collection has no other place for parameters and responses."""
    yield request.text
    if request.fields:
        yield "## Parameters"
        yield "\n".join(_parameter(field) for field in request.fields)
    for response in request.responses:
        yield from _response(response)


def _parameter(field: Field) -> str:
    note = ", required" if field.is_required else ""
    return f"- `{field.name}` ({field.where}{note}): {field.text}"


def _response(response: ExampleResponse) -> Iterator[str]:
    yield f"## Response {response.status}"
    yield response.name
    if response.body:
        yield f"```json\n{response.body}\n```" if response.media_type == JSON_TYPE else f"```\n{response.body}\n```"

"""The API as a Postman collection (Collection Format v2.1.0).

The format: https://schema.postman.com/collection/json/v2.1.0/draft-07/docs/index.html
"""

from http import HTTPStatus
from typing import Any

from apps.base.rest.renderers import to_json
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

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"


def postman_collection(document: dict[str, Any]) -> str:
    """Return the collection as JSON."""
    info = document["info"]
    collection = {
        "info": {
            "name": info["title"],
            "description": introduction(document),
            "version": info["version"],
            "schema": SCHEMA,
        },
        "item": [_folder(each) for each in folders(document)],
        "auth": _auth(DEFAULT_KEY),
        "variable": [
            _variable(URL_VARIABLE, server_url(document)),
            *(_variable(name, "") for name in KEY_VARIABLES.values()),
        ],
    }
    return to_json(collection, indent=1) + "\n"


def _variable(name: str, value: str) -> dict[str, Any]:
    return {"key": name, "value": value, "type": "string"}


def _auth(key_variable: str) -> dict[str, Any]:
    if not key_variable:
        return {"type": "noauth"}
    return {"type": "bearer", "bearer": [{"key": "token", "value": variable(key_variable), "type": "string"}]}


def _folder(folder: Folder) -> dict[str, Any]:
    return {"name": folder.name, "description": folder.text, "item": [_item(each) for each in folder.requests]}


def _item(request: ApiRequest) -> dict[str, Any]:
    described = _request(request)
    responses = [_response(each, described) for each in request.responses]
    return {"name": request.name, "request": described, "response": responses}


def _request(request: ApiRequest) -> dict[str, Any]:
    found: dict[str, Any] = {
        "method": request.method,
        "description": request.text,
        "header": [_pair(field) for field in request.fields_in("header")],
        "url": _url(request),
    }
    if request.key_variable != DEFAULT_KEY:  # the collection's own
        found["auth"] = _auth(request.key_variable)
    if request.body is not None:
        found["header"].insert(0, {"key": "Content-Type", "value": JSON_TYPE})
        found["body"] = {"mode": "raw", "raw": request.body, "options": {"raw": {"language": "json"}}}
    return found


def _url(request: ApiRequest) -> dict[str, Any]:
    path = request.path.lstrip("/").split("/")
    found: dict[str, Any] = {"raw": request.url, "host": [variable(URL_VARIABLE)], "path": path}
    if query := request.fields_in("query"):
        found["query"] = [_pair(field) for field in query]
    if in_path := request.fields_in("path"):
        found["variable"] = [{"key": each.name, "value": each.value, "description": each.text} for each in in_path]
    return found


def _pair(field: Field) -> dict[str, Any]:
    """Return a query parameter or a header; one that is not required is there and not sent."""
    pair = {"key": field.name, "value": field.value, "description": field.text}
    return pair if field.is_required else {**pair, "disabled": True}


def _response(response: ExampleResponse, request: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": response.name,
        "originalRequest": request,
        "status": HTTPStatus(response.status).phrase,
        "code": response.status,
        "_postman_previewlanguage": "json" if response.media_type == JSON_TYPE else "text",
        "header": [{"key": "Content-Type", "value": response.media_type}] if response.media_type else [],
        "cookie": [],
        "body": response.body,
    }

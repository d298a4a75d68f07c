"""Files that describe the API to tools: public, the same for every reader, and kept by clients until they change."""

from hashlib import sha256

from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response


def public_file(request: HttpRequest, body: bytes, content_type: str, filename: str = "") -> HttpResponse:
    """Return a file, to be saved under ``filename`` if given; supports If-None-Match (RFC 9110, 13.1.2)."""
    # Tools on other origins can read it, without cookies.
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, no-cache"}
    response = HttpResponse(body, content_type=content_type, headers=headers)
    if filename:
        response["Content-Disposition"] = f'attachment; filename="{filename}"'
    tag = f'"{sha256(body).hexdigest()[:32]}"'
    response["ETag"] = tag
    return get_conditional_response(request, etag=tag, response=response) or response

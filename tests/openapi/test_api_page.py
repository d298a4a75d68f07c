"""docs/api.md says what is declared: its calls, names, words, scopes and codes are those of the serializers."""

import pytest

from tests.conventions.tree import read
from tests.openapi.page_checks import complaints

pytestmark = pytest.mark.pure


def test_the_page_says_what_is_declared() -> None:
    assert list(complaints(read("docs/api.md"))) == []


MISTAKES = {
    "an unknown call": (
        "`DELETE /v1/invitations/{id}`",
        "`PUT /v1/invitations/{id}`",
        "no operation PUT /v1/invitations",
    ),
    "a missing operation": (
        "| GET, POST; POST; GET, PUT, PATCH, DELETE |",
        "| GET, POST; POST; GET, PUT, DELETE |",
        "PATCH",
    ),
    "a missing route": ("| `/v1/me` | GET |\n", "", "GET /v1/me"),
    "a change without a condition": ("POST `cancel` |", "PUT |", "If-Match: POST /v1/replays/{id}/cancel"),
    "a missing parameter": ("?type&since&until`", "?type&since`", "the parameters"),
    "an unknown parameter": ("?format=csv|jsonl&…`", "?form=csv|jsonl&…`", "the parameters"),
    "no question mark": ("`{name?, email?}`", "`{name, email?}`", "body: name is optional"),
    "a question mark too many": ("`{email, role}`", "`{email, role?}`", "body: role is required"),
    "a field that a body lacks": ("`{key, where?}`", "`{key, where?, why?}`", "body: why"),
    "a field that is left out": ("`{key, scopes?, ip?, cost?}`", "`{key, scopes?, ip?}`", "body: cost"),
    "an unknown field before an ellipsis": ("`{name?, scopes?, limits?, …}`", "`{name?, color?, …}`", "body: color"),
    "a required field before an ellipsis": ("`{url, event_types, ", "`{url, event_types?, ", "event_types is required"),
    "a required field in an ellipsis": ("`{url, event_types, ", "`{url, ", "body: event_types is not said"),
    "a body without its ellipsis": ("`{url, event_types, headers?, …}`", "`{url, event_types, headers?}`", "body: "),
    "an ellipsis before a field": ("`{url, event_types, ", "`{url, …, event_types, ", "not an abbreviated object"),
    "no body": ("`{users}`", "`users`", "POST /v1/users/batch: its body"),
    "a limit within a body": ("`{users}`", "`{users: 100}`", "not an abbreviated object"),
    "another answer": ("`{ended, kept, remaining}`", "`{ended, remaining}`", "answer: kept"),
    "an answer of one": ("`[{id, name, email, created_at}]`", "`{id, name, email, created_at}`", "a list or not"),
    "another item of an answer": (
        "[{status, user?, error?, fields?}]",
        "[{status, user, error?, fields?}]",
        "user is optional",
    ),
    "an example of nothing": ("`GET /v1/me` (", "`/v1/me` (", "follows no call"),
    "a field of an example": ('"held_count": 0,', '"held_count": 0, "color": "red",', "'color' was unexpected"),
    "a field of an inner object": ('"slug": "acme"}', '"slug": "acme", "color": "red"}', "'color' was unexpected"),
    "a field that an example lacks": ('"attempt_count": 1,', "", '"attempt_count" is a required property'),
    "a field that an object lacks in an unfinished one": (
        '"limits": {"minute": 100, ',
        '"limits": {',
        '"minute" is a required property',
    ),
    "an example without its ellipsis": ('"expires_at": null, …}', '"expires_at": null}', "is a required property"),
    "a value of another type": ('"active_count": 12,', '"active_count": "12",', "is not of type"),
    "a word of an example": ('"platform": "ios"', '"platform": "palm"', '"palm" is not one of'),
    "a word too many": ("`paused`, `disabled`; `health`", "`paused`, `stopped`; `health`", "the words of status"),
    "a word too few": (
        "`succeeded`, `exhausted`, `held`, `dropped`. ",
        "`succeeded`, `exhausted`, `held`. ",
        "the words of status",
    ),
    "a word of a table": ("| `tls_failed` |", "| `tls_broken` |", "the words of error"),
    "scopes of a section": (
        "\n`users:read`, `users:write`.\n\n| call | answer |\n|---|---|\n| `GET /v1/inv",
        "\n`users:read`.\n\n| call | answer |\n|---|---|\n| `GET /v1/inv",
        "the scopes",
    ),
    "scopes of a call": ("(`usage:read`)", "(`audit:read`)", "GET /v1/usage: the scopes"),
    "an unknown code": ("409 `endpoint_limit_reached`", "409 `endpoint_limit_met`", "endpoint_limit_met"),
    "a code of another status": (
        "409 `endpoint_limit_reached`",
        "403 `endpoint_limit_reached`",
        "403 is not the status",
    ),
    "a limit in prose": ("**Deprecated types**", "`cost` is 1–100. **Deprecated types**", "the limit of cost"),
    "a column": ("actor_label action", "actor_name action", "the columns"),
}


@pytest.mark.parametrize(("right", "wrong", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_on_the_page_is_found(right: str, wrong: str, told: str) -> None:
    page = read("docs/api.md")
    assert right in page
    assert told in "; ".join(complaints(page.replace(right, wrong, 1)))

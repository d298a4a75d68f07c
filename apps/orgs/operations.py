"""The API operations of ``/v1/users`` and ``/v1/invitations``: parameters, bodies, responses, examples."""

from apps.base.rest.operations import DELETED, Operation, Paging, Parameter, ResponseSpec
from apps.base.rest.shapes import (
    Shape,
    listed,
    moment,
    more,
    public_id,
    record,
    text,
    whole,
    word,
)
from apps.orgs.models import Role
from apps.orgs.serializers import InvitationBody, NewUserBody, NewUsersBody, UserChangeBody

PERSON = {"name": "Jo Martin", "email": "jo@example.com", "password": "correct horse battery"}
USER = Shape(
    "User",
    record(id=public_id("user"), name=text(), email=text(), created_at=moment()),
    {
        "id": "user_01JD2V8Q4ZK7M3X9T5B6CW",
        "name": PERSON["name"],
        "email": PERSON["email"],
        "created_at": "2026-11-22T10:00:00Z",
    },
)
ONE_USER = more(USER, "SingleUser", {"updated_at": "2026-11-22T10:05:00Z"}, updated_at=moment())
CHANGED_USER = Shape(
    "ChangedUser",
    record(id=public_id("user"), name=text(), email=text(), updated_at=moment()),
    {name: ONE_USER.example[name] for name in ("id", "name", "email", "updated_at")},
)
REFUSED_USER = {"status": 400, "error": "email: Enter a valid email address.", "fields": {"email": ["…"]}}
BATCH = Shape(
    "UserBatchResult",
    record(
        results=listed(
            {
                "oneOf": [
                    record(status={"const": 201}, user=USER.schema),
                    record(
                        status=whole(400),
                        error=text(),
                        fields={"type": "object", "additionalProperties": listed({"type": "string"})},
                    ),
                ]
            }
        )
    ),
    {"results": [{"status": 201, "user": USER.example}, REFUSED_USER]},
)
WHOLE_BATCH = Shape("UserBatch", BATCH.schema, {"results": [{"status": 201, "user": USER.example}]})
INVITATION = Shape(
    "Invitation",
    record(id=public_id("inv"), email=text(), role=word(Role.values), expires_at=moment()),
    {
        "id": "inv_01JD2V8Q4ZK7M3X9T5B6CW",
        "email": "kim@example.com",
        "role": "viewer",
        "expires_at": "2026-11-29T10:00:00Z",
    },
)

LIST_USERS = Operation(
    "listUsers",
    "List users, oldest first.",
    {200: ResponseSpec("The users, oldest first.", USER, many=True)},
    paging=Paging.OFFSET,
    parameters=(
        Parameter(
            "email",
            "Only the user with this address, in any spelling of it. Encode `+` as `%2B`.",
            {"type": "string", "minLength": 3, "maxLength": 254, "examples": ["jo@example.com"]},
        ),
    ),
)
CREATE_USER = Operation(
    "createUser",
    "Make a viewer.",
    {201: ResponseSpec("The new user, a viewer.", USER)},
    NewUserBody,
    PERSON,
    error_codes=("forbidden",),
    step_up=True,
)
CREATE_USERS = Operation(
    "createUsers",
    "Make up to 100 viewers; a bad one does not undo the others.",
    {
        200: ResponseSpec("All users were made.", WHOLE_BATCH),
        207: ResponseSpec("Some users were made; each result says what became of it.", BATCH),
    },
    NewUsersBody,
    {"users": [{**PERSON, "email": "kim@example.com"}]},
    error_codes=("forbidden",),
    step_up=True,
)
GET_USER = Operation("getUser", "Return one user.", {200: ResponseSpec("The user.", ONE_USER)})
REPLACE_USER = Operation(
    "updateUserByPut",
    "Change the name, the address, or both.",
    {200: ResponseSpec("The user as it is now.", CHANGED_USER)},
    UserChangeBody,
    {"name": "Jo Martin-Roy"},
    error_codes=("forbidden", "conflict"),
    step_up=True,
)
UPDATE_USER = Operation(
    "updateUser",
    "Change the name, the address, or both.",
    REPLACE_USER.responses,
    UserChangeBody,
    REPLACE_USER.example,
    error_codes=REPLACE_USER.error_codes,
    step_up=True,
)
DELETE_USER = Operation(
    "deleteUser",
    "Remove the user from the organization; an account of no other one is erased.",
    {204: DELETED},
    error_codes=("forbidden", "conflict"),
    step_up=True,
)

LIST_INVITATIONS = Operation(
    "listInvitations",
    "List what nobody accepted or withdrew, oldest first; past its time an invitation stays here.",
    {200: ResponseSpec("The invitations that stand, oldest first.", INVITATION, many=True)},
    paging=Paging.OFFSET,
)
CREATE_INVITATION = Operation(
    "createInvitation",
    "Invite an address; the mail follows.",
    {201: ResponseSpec("The invitation; its mail follows.", INVITATION)},
    InvitationBody,
    {"email": "kim@example.com", "role": "viewer"},
    error_codes=("forbidden", "conflict"),
    step_up=True,
)
DELETE_INVITATION = Operation(
    "deleteInvitation", "Withdraw it: its link is dead.", {204: DELETED}, error_codes=("forbidden", "conflict")
)

"""The API operations of ``/v1/users`` and ``/v1/invitations``: parameters, bodies, responses, examples."""

from apps.base.rest.fields import Email
from apps.base.rest.operations import DELETED, Operation, Paging, Parameter, ResponseSpec
from apps.orgs.serializers import (
    ChangedUserSerializer,
    CreateInvitationBody,
    CreateUserBody,
    CreateUsersBody,
    InvitationSerializer,
    SingleUserSerializer,
    UpdateUserBody,
    UserBatchResultSerializer,
    UserSerializer,
)

LIST_USERS = Operation(
    "listUsers",
    "List users, oldest first.",
    {200: ResponseSpec("The users, oldest first.", UserSerializer, many=True)},
    paging=Paging.OFFSET,
    parameters=(
        Parameter(
            "email",
            Email("Only the user with this address, in any spelling of it. Encode `+` as `%2B`."),
        ),
    ),
)
CREATE_USER = Operation(
    "createUser",
    "Make a viewer.",
    {201: ResponseSpec("The new user, a viewer.", UserSerializer)},
    CreateUserBody,
    error_codes=("forbidden",),
    step_up=True,
)
CREATE_USERS = Operation(
    "createUsers",
    "Make up to 100 viewers; a bad one does not undo the others.",
    {
        200: ResponseSpec("All users were made.", UserBatchResultSerializer),
        207: ResponseSpec("Some users were made; each result says what became of it.", UserBatchResultSerializer),
    },
    CreateUsersBody,
    error_codes=("forbidden",),
    step_up=True,
)
GET_USER = Operation("getUser", "Return one user.", {200: ResponseSpec("The user.", SingleUserSerializer)})
REPLACE_USER = Operation(
    "updateUserByPut",
    "Change the name, the address, or both.",
    {200: ResponseSpec("The user as it is now.", ChangedUserSerializer)},
    UpdateUserBody,
    error_codes=("forbidden", "conflict"),
    step_up=True,
)
UPDATE_USER = Operation(
    "updateUser",
    "Change the name, the address, or both.",
    REPLACE_USER.responses,
    UpdateUserBody,
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
    {200: ResponseSpec("The invitations that stand, oldest first.", InvitationSerializer, many=True)},
    paging=Paging.OFFSET,
)
CREATE_INVITATION = Operation(
    "createInvitation",
    "Invite an address; the mail follows.",
    {201: ResponseSpec("The invitation; its mail follows.", InvitationSerializer)},
    CreateInvitationBody,
    error_codes=("forbidden", "conflict"),
    step_up=True,
)
DELETE_INVITATION = Operation(
    "deleteInvitation", "Withdraw it: its link is dead.", {204: DELETED}, error_codes=("forbidden", "conflict")
)

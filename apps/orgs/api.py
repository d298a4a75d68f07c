"""``/v1/users`` and ``/v1/invitations``: members of the caller's organization and open invitations."""

from operator import itemgetter

from django.db import transaction
from django.db.models import QuerySet
from rest_framework.response import Response

from apps.base.permissions import Permission
from apps.base.requests import ApiRequest
from apps.base.rest.etags import ObjectResponse
from apps.base.rest.views import PortalView, serves
from apps.base.text.email_validation import check_email_field, email_spellings
from apps.orgs import operations
from apps.orgs.invitations import actions as invitation_actions
from apps.orgs.invitations.mail_limits import check_mail_limits
from apps.orgs.members import membership, users
from apps.orgs.members.users import NewUser
from apps.orgs.models import Invitation, Membership
from apps.orgs.serializers import (
    LIST_COLUMNS,
    ChangedUserSerializer,
    CreateInvitationBody,
    CreateUserBody,
    CreateUsersBody,
    InvitationSerializer,
    SingleUserSerializer,
    UpdateUserBody,
    UserResultSerializer,
    UserRow,
    UserSerializer,
    prepare_new_user,
    validate_each,
)


def memberships_of(request: ApiRequest) -> QuerySet[Membership]:
    """Return the memberships of the caller's organization, oldest first."""
    return Membership.objects.for_actor(request.actor).select_related("user").order_by("pk")


class Users(PortalView):
    about = "The list, and new ones."

    @serves(operations.LIST_USERS, Permission.USERS_READ, etag=True)
    def get(self, request: ApiRequest) -> Response:
        """List users, oldest first."""
        # Columns instead of models: creating the objects of a page costs more than its queries.
        rows, email = memberships_of(request), request.query_params.get("email")
        if email is not None:
            check_email_field("email", email)
            rows = rows.filter(user__email__in=email_spellings(email))
        rows = rows.values_list(*LIST_COLUMNS, "pk")
        return self.offset_page(request, rows, lambda row: UserSerializer.write(UserRow(*row[:-1])), key=itemgetter(-1))

    @serves(operations.CREATE_USER, Permission.USERS_WRITE, idempotent=True, heavy=True)
    def post(self, request: ApiRequest) -> Response:
        """Create a user with the role viewer."""
        body = self.validated(request, CreateUserBody, prepare=prepare_new_user)
        member = users.create_user(actor=request.actor, **body)
        return Response(UserSerializer.write(UserRow.of(member)), status=201)


class UserBatch(PortalView):
    about = "Several new users at once, each by itself."

    @serves(operations.CREATE_USERS, Permission.USERS_WRITE, idempotent=True, heavy=True)
    def post(self, request: ApiRequest) -> Response:
        """Create up to 100 viewers; invalid items do not affect the others."""
        items = self.validated(request, CreateUsersBody, prepare=validate_each)["users"]
        valid = [item for item in items if isinstance(item, NewUser)]
        created = iter(users.create_users(actor=request.actor, users=valid))
        outcomes = [next(created) if isinstance(item, NewUser) else item for item in items]
        rows = [UserRow.of(each) if isinstance(each, Membership) else each for each in outcomes]
        results = UserResultSerializer.write_all(rows)
        is_complete = all(result["status"] == 201 for result in results)
        return Response({"results": results}, status=200 if is_complete else 207)


class OneUser(PortalView):
    about = "One user of the organization."

    @serves(operations.GET_USER, Permission.USERS_READ, etag=True)
    def get(self, request: ApiRequest, id: str) -> Response:
        """Return one user."""
        member = membership.find_membership(request.actor, id)
        return ObjectResponse(SingleUserSerializer.write(UserRow.of(member)), member.version)

    @serves(operations.REPLACE_USER, Permission.USERS_WRITE, if_match=True)
    def put(self, request: ApiRequest, id: str) -> Response:
        """Change the name, the address, or both."""
        return self._change(request, id)

    @serves(operations.UPDATE_USER, Permission.USERS_WRITE, if_match=True)
    def patch(self, request: ApiRequest, id: str) -> Response:
        """Change the name, the address, or both."""
        return self._change(request, id)

    def _change(self, request: ApiRequest, id: str) -> Response:
        membership.find_membership(request.actor, id)
        body, expected = self.validated(request, UpdateUserBody), self.expected(request)
        member = users.update_user(actor=request.actor, user_id=id, expected=expected, **body)
        row = UserRow.of(member)
        as_read = SingleUserSerializer.write(row)
        return ObjectResponse(ChangedUserSerializer.write(row), member.version, as_read=as_read)

    @serves(operations.DELETE_USER, Permission.USERS_WRITE, if_match=True)
    def delete(self, request: ApiRequest, id: str) -> Response:
        """Remove the user from the organization; an account without another organization is deleted."""
        membership.find_membership(request.actor, id)
        users.delete_user(actor=request.actor, user_id=id, expected=self.expected(request))
        return Response(status=204)


class Invitations(PortalView):
    about = "The invitations that stand, and new ones."

    @serves(operations.LIST_INVITATIONS, Permission.USERS_READ, etag=True)
    def get(self, request: ApiRequest) -> Response:
        """List open invitations, oldest first; expired ones are included."""
        rows = Invitation.objects.for_actor(request.actor).visible().open().order_by("pk")
        return self.offset_page(request, rows, InvitationSerializer.write)

    @serves(operations.CREATE_INVITATION, Permission.USERS_WRITE, idempotent=True)
    def post(self, request: ApiRequest) -> Response:
        """Invite an address by mail."""
        body = self.validated(request, CreateInvitationBody)
        with transaction.atomic():
            invitation = invitation_actions.invite(actor=request.actor, **body)
            check_mail_limits(request._request, str(request.actor.organization_id), invitation.email)
        return Response(InvitationSerializer.write(invitation), status=201)


class OneInvitation(PortalView):
    about = "One invitation."

    @serves(operations.DELETE_INVITATION, Permission.USERS_WRITE)
    def delete(self, request: ApiRequest, id: str) -> Response:
        """Revoke an invitation; its link stops working."""
        invitation_actions.revoke_invitation(actor=request.actor, invitation_id=id)
        return Response(status=204)

"""Both doors of this app."""

from django.urls import path, re_path

from apps.base.api import api_path
from apps.orgs import api as doors
from apps.orgs.views import acceptance, invitations, members, organizations

ORGANIZATION = "o/<slug:slug>/settings/organization/"

pages = [
    path("settings/integration/", organizations.landing, name="landing"),
    path("organizations/", organizations.organizations, name="organizations"),
    path(f"{ORGANIZATION}members/", members.members, name="members"),
    path(f"{ORGANIZATION}members/roles/", members.roles, name="roles"),
    path(f"{ORGANIZATION}members/invite/", invitations.invite, name="invite"),
    path(f"{ORGANIZATION}members/leave/", members.leave, name="leave"),
    path(f"{ORGANIZATION}members/<user_id>/", members.member, name="member"),
    path(f"{ORGANIZATION}members/<user_id>/remove/", members.member_remove, name="member_remove"),
    path(f"{ORGANIZATION}invitations/<invitation_id>/resend/", invitations.invitation_resend, name="invitation_resend"),
    path(f"{ORGANIZATION}invitations/<invitation_id>/revoke/", invitations.invitation_revoke, name="invitation_revoke"),
    path("invitation/", acceptance.invitation, name="invitation"),
    re_path(r"^invitation/(?P<token>[0-9A-Za-z]{43})/$", acceptance.invitation_open, name="invitation_open"),
]
api = [
    api_path("users", doors.Users, "users"),
    api_path("users/batch", doors.UserBatch, "users-batch"),
    api_path("users/{id}", doors.OneUser, "user"),
    api_path("invitations", doors.Invitations, "invitations"),
    api_path("invitations/{id}", doors.OneInvitation, "invitation"),
]

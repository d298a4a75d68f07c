"""URLs of this app: pages, and the API under ``/v1/``."""

from allauth.account.views import account_inactive, logout, password_reset_done, password_reset_from_key_done
from django.urls import include, path, re_path

from apps.base.rest.views import api_path
from apps.orgs import api as api_views
from apps.orgs.accounts import confirm_identity, profile, session_views, sign_in_views, two_step_views
from apps.orgs.accounts.sso import views as sso_views
from apps.orgs.invitations import acceptance_views
from apps.orgs.invitations import views as invitation_views
from apps.orgs.lifecycle import views as lifecycle_views
from apps.orgs.members import views
from apps.orgs.members import views as member_views
from apps.orgs.settings import preference_views
from apps.orgs.settings import views as settings_views

SETTINGS = "o/<slug:slug>/settings/organization/"

# The pages of allauth that are offered, under the names that it reverses. There is no sign-up.
account = [
    path("", profile.profile, name="account"),
    path("login/", sign_in_views.SignIn.as_view(), name="account_login"),
    path("logout/", logout, name="account_logout"),
    path("inactive/", account_inactive, name="account_inactive"),
    path("reauthenticate/", confirm_identity.confirm, name="account_reauthenticate"),
    path("email/", profile.address, name="account_email"),
    re_path(r"^confirm-email/(?P<key>[-:\w]+)/$", profile.confirm_address, name="account_confirm_email"),
    path("password/change/", profile.password, name="account_change_password"),
    path("password/reset/", sign_in_views.reset_password, name="account_reset_password"),
    path("password/reset/done/", password_reset_done, name="account_reset_password_done"),
    path("password/reset/key/done/", password_reset_from_key_done, name="account_reset_password_from_key_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>[0-9A-Za-z-]+)/$",
        sign_in_views.NewPassword.as_view(),
        name="account_reset_password_from_key",
    ),
    path("sso/", sso_views.sign_on, name="single_sign_on"),
    path("sso/callback/", sso_views.callback, name="single_sign_on_callback"),
    path("2fa/", two_step_views.index, name="mfa_index"),
    path("2fa/authenticate/", sign_in_views.SecondStep.as_view(), name="mfa_authenticate"),
    path("2fa/totp/activate/", two_step_views.turn_on_totp, name="mfa_activate_totp"),
    path("2fa/totp/deactivate/", two_step_views.turn_off_totp, name="mfa_deactivate_totp"),
    path("2fa/recovery-codes/generate/", two_step_views.recovery_codes, name="mfa_generate_recovery_codes"),
    path("2fa/webauthn/", two_step_views.passkeys, name="mfa_list_webauthn"),
    path("2fa/webauthn/add/", two_step_views.add_passkey, name="mfa_add_webauthn"),
    path("2fa/webauthn/login/", sign_in_views.PasskeySignIn.as_view(), name="mfa_login_webauthn"),
    path("2fa/webauthn/reauthenticate/", confirm_identity.confirm_by_passkey, name="mfa_reauthenticate_webauthn"),
    path("2fa/webauthn/keys/<int:pk>/edit/", two_step_views.rename_passkey, name="mfa_edit_webauthn"),
    path("2fa/webauthn/keys/<int:pk>/remove/", two_step_views.remove_passkey, name="mfa_remove_webauthn"),
    path("sessions/", session_views.list_sessions, name="usersessions_list"),
]
pages = [
    path("language/", preference_views.set_language, name="set_language"),
    path("account/preferences/", preference_views.preferences, name="preferences"),
    path("account/", include(account)),
    path("settings/integration/", views.landing, name="landing"),
    path("organizations/", views.organizations, name="organizations"),
    path(SETTINGS, settings_views.organization_settings, name="organization_settings"),
    path(SETTINGS + "general/", settings_views.organization_general, name="organization_general"),
    path(SETTINGS + "security/", settings_views.organization_security, name="organization_security"),
    path(SETTINGS + "retention/", settings_views.organization_retention, name="organization_retention"),
    path(SETTINGS + "mail/", settings_views.organization_mail, name="organization_mail"),
    path(SETTINGS + "export/", lifecycle_views.organization_export, name="organization_export"),
    path(SETTINGS + "close/", lifecycle_views.organization_close, name="organization_close"),
    path("account/mail/", preference_views.account_mail, name="account_mail"),
    path(SETTINGS + "members/", member_views.members, name="members"),
    path(SETTINGS + "members/roles/", member_views.roles, name="roles"),
    path(SETTINGS + "members/invite/", invitation_views.invite, name="invite"),
    path(SETTINGS + "members/leave/", member_views.leave, name="leave"),
    path(SETTINGS + "members/<user_id>/", member_views.member, name="member"),
    path(SETTINGS + "members/<user_id>/remove/", member_views.member_remove, name="member_remove"),
    path(
        SETTINGS + "invitations/<invitation_id>/resend/", invitation_views.invitation_resend, name="invitation_resend"
    ),
    path(
        SETTINGS + "invitations/<invitation_id>/revoke/", invitation_views.invitation_revoke, name="invitation_revoke"
    ),
    path("invitation/", acceptance_views.invitation, name="invitation"),
    re_path(r"^invitation/(?P<token>[0-9A-Za-z]{43})/$", acceptance_views.invitation_open, name="invitation_open"),
]
api = [
    api_path("users", api_views.Users, "users"),
    api_path("users/batch", api_views.UserBatch, "users-batch"),
    api_path("users/{id}", api_views.OneUser, "user"),
    api_path("invitations", api_views.Invitations, "invitations"),
    api_path("invitations/{id}", api_views.OneInvitation, "invitation"),
]

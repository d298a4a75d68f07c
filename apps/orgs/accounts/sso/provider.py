"""Single sign-on as the operator has set it: one provider, or none."""

from django.conf import settings

from apps.base.web.openid_connect import Provider


def provider() -> Provider | None:
    """Return the identity provider of OIDC_ISSUER, or None where single sign-on is off."""
    if not settings.OIDC_ISSUER:
        return None
    return Provider(settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET)


def provider_name() -> str:
    """Return what the button says, or nothing where single sign-on is off."""
    return settings.OIDC_NAME if settings.OIDC_ISSUER else ""

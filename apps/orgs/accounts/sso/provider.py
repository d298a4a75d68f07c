"""The identity provider from the settings, if there is one."""

from django.conf import settings

from apps.base.web.openid_connect import Provider


def provider() -> Provider | None:
    """Return the identity provider of OIDC_ISSUER, or None if single sign-on is off."""
    if not settings.OIDC_ISSUER:
        return None
    return Provider(settings.OIDC_ISSUER, settings.OIDC_CLIENT_ID, settings.OIDC_CLIENT_SECRET)


def provider_name() -> str:
    """Return the provider's name for the button, or an empty string if single sign-on is off."""
    return settings.OIDC_NAME if settings.OIDC_ISSUER else ""

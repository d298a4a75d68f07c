"""Validation of SDK key settings: each rule raises one error that names the field and the fix."""

import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.utils import timezone
from django.utils.translation import gettext as _

from apps.base.actor import Actor, ActorKind
from apps.base.errors import Invalid
from apps.credentials.lifecycle import transitions
from apps.credentials.rules import MAX_DAYS, Lifetime
from apps.orgs.lookups import longest_key_days
from apps.sdk_keys.models import Platform, SdkKey

# Apple: letters, digits, hyphens and periods, in reverse-DNS form ("CFBundleIdentifier").
BUNDLE_ID = re.compile(r"[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+", re.ASCII)
# Android: at least two segments, each beginning with a letter, of letters, digits and underscores ("applicationId").
PACKAGE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)+", re.ASCII)
MAX_APP_ID_LENGTH = {Platform.IOS: 155, Platform.ANDROID: 255}
CERTIFICATE = re.compile(r"[0-9A-Fa-f]{64}|[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31}", re.ASCII)
MAX_ORIGINS = 20
MAX_DEVICES = 10_000_000
MAX_INACTIVE_DAYS = 365
HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\]", re.ASCII)
# The host of an app's pages (capacitor://localhost, chrome-extension://…), in the case that its browser sends.
APP_HOST = re.compile(r"[A-Za-z0-9.-]{1,253}", re.ASCII)
# Schemes that have no origin, or none that a page can have.
NO_ORIGIN = frozenset({"", "about", "blob", "data", "file", "filesystem", "ftp", "javascript", "ws", "wss"})
LOCAL_HOSTS = ("localhost", "127.0.0.1", "[::1]")
OPERATOR_KINDS = (ActorKind.SYSTEM, ActorKind.OPERATOR)
PORTS = {"https": 443, "http": 80}


def check_platform(platform: str) -> Platform:
    """Return the platform, or raise Invalid."""
    if platform not in Platform.values:
        raise Invalid.field("platform", _("Choose one of: %(choices)s.") % {"choices": ", ".join(Platform.values)})
    return Platform(platform)


def check_app_id(platform: Platform, app_id: str | None) -> str:
    """Return the bundle id or package name, or raise Invalid; web keys have none."""
    app_id = (app_id or "").strip()
    if platform == Platform.WEB:
        if app_id:
            raise Invalid.field("app_id", _("A key for the web has no app id: it has origins."))
        return ""
    pattern, example = (BUNDLE_ID, "com.example.app") if platform == Platform.IOS else (PACKAGE_NAME, "com.example.app")
    if not pattern.fullmatch(app_id) or len(app_id) > MAX_APP_ID_LENGTH[platform]:
        name = _("bundle id") if platform == Platform.IOS else _("package name")
        raise Invalid.field("app_id", _("Give the app's %(name)s, such as %(example)s.") % {
            "name": name, "example": example})  # fmt: skip
    return app_id


def check_certificate(platform: Platform, cert_sha256: str | None) -> str:
    """Return the certificate's SHA-256 in hex with colons, as Android's tools print it, or an empty string."""
    text = (cert_sha256 or "").strip()
    if not text:
        return ""
    if platform != Platform.ANDROID:
        raise Invalid.field("cert_sha256", _("Only a key for Android has a signing certificate."))
    if not CERTIFICATE.fullmatch(text):
        raise Invalid.field("cert_sha256", _("Give the SHA-256 of the signing certificate: 64 hexadecimal digits."))
    digits = text.replace(":", "").upper()
    return ":".join(digits[at : at + 2] for at in range(0, 64, 2))


def check_origins(platform: Platform, origins: Iterable[str] | None) -> list[str]:
    """Return the origins as browsers send them, without duplicates; web keys need at least one."""
    found = list(dict.fromkeys(_origin(text) for text in origins or ()))
    if platform != Platform.WEB:
        if found:
            raise Invalid.field("origins", _("Only a key for the web has origins."))
        return []
    if not 1 <= len(found) <= MAX_ORIGINS:
        raise Invalid.field("origins", _("Give 1 to %(most)d origins, such as https://app.example.com.") % {
            "most": MAX_ORIGINS})  # fmt: skip
    return found


def _origin(text: str) -> str:
    """Return the serialized origin (RFC 6454 section 6.2): scheme, host, and the port unless it is the default."""
    try:
        parts = urlsplit(text.strip())
        is_web, port = parts.scheme in PORTS, parts.port
        host = parts.netloc.lower() if is_web else parts.netloc
    except ValueError:
        parts, is_web, host, port = urlsplit(""), False, "", None
    name = host.rpartition(":")[0] if port is not None else host
    is_bare = parts.path in ("", "/") and not (parts.query or parts.fragment or "@" in host or host.endswith(":"))
    if parts.scheme in NO_ORIGIN or not (HOST if is_web else APP_HOST).fullmatch(name) or not is_bare:
        message = _("%(text)r is not an origin such as https://app.example.com: scheme, host and port only.")
        raise Invalid.field("origins", message % {"text": text[:60]})
    if parts.scheme == "http" and name not in LOCAL_HOSTS and not name.endswith(".localhost"):
        raise Invalid.field("origins", _("%(text)r: use https; http is for localhost only.") % {"text": text[:60]})
    return f"{parts.scheme}://{name}" + (f":{port}" if port not in (None, PORTS.get(parts.scheme)) else "")


def check_activation_limit(limit: int | None) -> int | None:
    """Return the device limit (None: no limit), or raise Invalid."""
    if limit is not None and not 1 <= limit <= MAX_DEVICES:
        raise Invalid.field("activation_limit", _("Give a number from 1 to %(most)d, or none for no limit.") % {
            "most": MAX_DEVICES})  # fmt: skip
    return limit


def check_inactive_days(days: int | None) -> int | None:
    """Return after how many inactive days a device is deactivated (None: never), or raise Invalid."""
    if days is not None and not 1 <= days <= MAX_INACTIVE_DAYS:
        raise Invalid.field("inactive_after_days", _("Give a number of days from 1 to %(most)d, or none for never.") % {
            "most": MAX_INACTIVE_DAYS})  # fmt: skip
    return days


def check_lifetime(actor: Actor, lifetime: Lifetime) -> datetime | None:
    """Return the expiry of a key, by default none (None), because installed apps are used for a long time.

    Where the organization has a maximum lifetime, that is the default, and a longer one raises Invalid unless the actor
    is an operator or the system.
    """
    now, maximum = timezone.now(), longest_key_days(actor.organization_id)
    longest = None if actor.kind in OPERATOR_KINDS else maximum
    if lifetime.never and longest is not None:
        raise Invalid.field(lifetime.field, _("A key must expire within %(days)d days here.") % {"days": longest})
    if lifetime.expires_at is None:
        return None if lifetime.never or maximum is None else now + timedelta(days=maximum)
    if lifetime.expires_at <= now:
        raise Invalid.field(lifetime.field, _("The expiry must be in the future."))
    if lifetime.expires_at > now + timedelta(days=longest or MAX_DAYS, seconds=5):
        raise Invalid.field(lifetime.field, _("A key lives at most %(days)d days.") % {"days": longest or MAX_DAYS})
    return lifetime.expires_at


def expiry_of_successor(key: SdkKey) -> datetime | None:
    """Return the expiry of a successor: the old key's lifetime, up to the organization's maximum."""
    return transitions.successor_expiry(key, longest_key_days(key.organization_id))

"""Django settings. Every configurable value comes from an environment variable that ``.env.example`` describes.

A wrong value raises ImproperlyConfigured naming the variable. Longer than 300 lines because it is the only settings
file.
"""

import os
import sys
from pathlib import Path

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

from apps.base.telemetry.logging import LOG_LEVELS, configure_logging
from integrations_portal import __version__
from integrations_portal.environment import misspelled_names, urls, validators
from integrations_portal.environment import secret_checks as secret_checks
from integrations_portal.environment.variables import Environment, decode_key

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = __version__
env = Environment()

# --- Start-up rules -------------------------------------------------------------------------------------------
# Files that the portal writes, such as the SQLite database, are readable by its own user only.
os.umask(0o077)
DEBUG = env.boolean("DEBUG", default=False)
required = env.required

# --- Secrets --------------------------------------------------------------------------------------------------
SECRET_KEY = secret_checks.check_secret(
    "SECRET_KEY", required("SECRET_KEY", "it signs sessions and links."), min_length=32
)
required("ENCRYPTION_KEYS", "webhook secrets are encrypted with it.")
ENCRYPTION_KEYS = env.key_ring("ENCRYPTION_KEYS")
required("KEY_PEPPERS", "digests of API keys are made with it.")
KEY_PEPPERS = env.key_ring("KEY_PEPPERS")
AUDIT_SIGNING_KEY = decode_key(
    "AUDIT_SIGNING_KEY", required("AUDIT_SIGNING_KEY", "audit checkpoints are signed with it.")
)
METRICS_TOKEN = secret_checks.check_token("METRICS_TOKEN", env.text("METRICS_TOKEN"), min_length=16)

# --- Addresses ------------------------------------------------------------------------------------------------
PUBLIC_URL = required("PUBLIC_URL", "links in pages and mails start with it.").rstrip("/")
_public = urls.base_url("PUBLIC_URL", PUBLIC_URL)
HTTPS = _public.scheme == "https"
LOOPBACK = _public.hostname in ("127.0.0.1", "localhost", "::1")
if not (DEBUG or HTTPS or LOOPBACK):
    raise ImproperlyConfigured("PUBLIC_URL must start with https:// (plain http only on a loopback address).")
_host = f"[{_public.hostname}]" if ":" in (_public.hostname or "") else _public.hostname or ""
ALLOWED_HOSTS = validators.hosts("ALLOWED_HOSTS", env.words("ALLOWED_HOSTS", _host if LOOPBACK else ""), own=_host)
if not ALLOWED_HOSTS and not DEBUG:
    raise ImproperlyConfigured("ALLOWED_HOSTS is not set: name the hosts that this portal answers to.")
if "*" in ALLOWED_HOSTS and not DEBUG:
    raise ImproperlyConfigured("ALLOWED_HOSTS must name the hosts; * is refused outside DEBUG.")
TRUSTED_PROXIES = env.networks("TRUSTED_PROXIES")

# --- Applications ---------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "integrations_portal.apps.PortalConfig",
    "apps.orgs.apps.OrgsConfig",
    "apps.api_keys.apps.ApiKeysConfig",
    "apps.sdk_keys.apps.SdkKeysConfig",
    "apps.credentials.apps.CredentialsConfig",
    "apps.webhooks.apps.WebhooksConfig",
    "apps.notices.apps.NoticesConfig",
    "apps.audit.apps.AuditConfig",
    "apps.base.apps.BaseConfig",
    "integrations_portal.apps.OperatorAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework",
    "drf_spectacular_sidecar",  # Swagger UI's files
    "csp",
]
MIDDLEWARE = [
    "apps.base.telemetry.http_metrics.HttpMetricsMiddleware",
    "apps.base.web.middleware.RequestMiddleware",
    # API clients' requests end here; what follows is for pages and the browsable API.
    "apps.base.rest.api_fast_path.ApiFastPathMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "apps.base.web.middleware.PageHeadersMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "integrations_portal.error_pages.MaintenanceMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "apps.orgs.members.middleware.LanguageMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "apps.orgs.accounts.session_middleware.SessionLifeMiddleware",
    "apps.base.web.middleware.ErrorPagesMiddleware",
]
ROOT_URLCONF = "integrations_portal.urls"
WSGI_APPLICATION = "integrations_portal.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "apps.orgs.members.page_context.page_context",
            ],
        },
    }
]
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = BASE_DIR / "var" / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "integrations_portal.static_files.Storage"},
}
# Finders serve the files if `collectstatic` was not run (the demo, tests); a container image runs it at build time.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

# --- Language and time ----------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("fr", _("French"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SECURE = HTTPS
LANGUAGE_COOKIE_SAMESITE = "Lax"

# --- Database -------------------------------------------------------------------------------------------------
DATABASES = {
    "default": urls.database(
        "DATABASE_URL", required("DATABASE_URL", "the data lives there, such as sqlite:///var/portal.sqlite3.")
    )
}
# Only statements that ask for it are prepared (apps/webhooks/engine/sql.py).
DATABASE_PREPARE = env.boolean("DATABASE_PREPARE", True)
# The server for pg_dump, if DATABASE_URL is a pooler or backups should read from a replica.
BACKUP_DATABASE = urls.backup_database("BACKUP_DATABASE_URL", env.text("BACKUP_DATABASE_URL"), DATABASES["default"])
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
_database = DATABASES["default"]
if _database["ENGINE"] == "django.db.backends.sqlite3":
    if _database["NAME"] != ":memory:":
        _database["NAME"] = validators.database_file("DATABASE_URL", BASE_DIR / _database["NAME"], BASE_DIR / "var")
        # Tests use a file too: several threads and processes access it.
        _database["TEST"] = {"NAME": _database["NAME"] + ".test"}
    # IMMEDIATE: a deferred transaction that reads, then writes after another connection's commit fails at once
    # (SQLITE_BUSY_SNAPSHOT), whatever the timeout. FULL: data of a 202 response must survive a power cut.
    _database["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;"
        "PRAGMA busy_timeout=20000; PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY;",
    }
    # Connections are persistent: opening the file and seven PRAGMAs per request cost more than its queries.
    _database["CONN_MAX_AGE"] = None
elif _database["ENGINE"] == "django.db.backends.postgresql":
    _database["CONN_MAX_AGE"] = 600
    _database["CONN_HEALTH_CHECKS"] = True
    # Behind a pooler the next read of a server-side cursor can go to another connection.
    _database["DISABLE_SERVER_SIDE_CURSORS"] = True
    if DATABASE_PREPARE:
        _database.setdefault("OPTIONS", {}).setdefault("prepare_threshold", 1_000_000_000)

# --- Redis, cache and broker ----------------------------------------------------------------------------------
REDIS_URL = urls.redis_server("REDIS_URL", env.text("REDIS_URL"))
CELERY_BROKER_URL = urls.redis_server("CELERY_BROKER_URL", env.text("CELERY_BROKER_URL"))
# Rate-limit counters of public forms: with Django's default of 300 entries, clients could evict each other's counters.
_cache_options = {"OPTIONS": {"MAX_ENTRIES": 20_000}}
CACHES = {
    "default": {"BACKEND": "apps.base.web.cache.Cache", "LOCATION": REDIS_URL, "KEY_PREFIX": "ip", **_cache_options}
    if REDIS_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "portal", **_cache_options}
}

# --- Sign-in --------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "orgs.User"
AUTHENTICATION_BACKENDS = ["apps.orgs.adapter.Backend"]
# auth.W004: email addresses are unique among confirmed accounts only; the backend distinguishes them. security.W005 and
# W021: whether HSTS includes subdomains is the operator's decision.
SILENCED_SYSTEM_CHECKS = ["auth.W004", "security.W005", "security.W021"]
PASSWORD_HASHERS = ["apps.base.crypto.secrets.PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 8}},
    {"NAME": "apps.orgs.accounts.passwords.MaximumLengthValidator", "OPTIONS": {"max_length": 128}},
]
SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_AGE = 14 * 24 * 3600
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
CSRF_FAILURE_VIEW = "integrations_portal.error_pages.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/settings/integration/"
# Replaced by base/web/form_limits.py and base/web/second_step.py: allauth's limits raise 500 without the cache.
ACCOUNT_RATE_LIMITS = MFA_RATE_LIMITS = False
ACCOUNT_ADAPTER = "apps.orgs.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_LOGOUT_REDIRECT_URL = "/account/login/"
ACCOUNT_PASSWORD_RESET_TOKEN_GENERATOR = "apps.orgs.accounts.passwords.ResetTokens"  # noqa: S105  a class
ACCOUNT_REAUTHENTICATION_TIMEOUT = 15 * 60
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _public.scheme
ACCOUNT_FORMS = {"login": "apps.orgs.accounts.forms.SignInForm"}
MFA_ADAPTER = "apps.orgs.adapter.MfaAdapter"
MFA_FORMS = {
    "authenticate": "apps.orgs.accounts.forms.CodeForm",
    "authenticate_webauthn": "apps.orgs.accounts.forms.PasskeyStepForm",
    "login_webauthn": "apps.orgs.accounts.forms.PasskeySignInForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
# Relaxes fido2's check of the origin for plain http; the strict check is in orgs/accounts/forms.py.
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS
MFA_TOTP_ISSUER = "Integrations Portal"
OIDC_ISSUER = env.text("OIDC_ISSUER") and urls.issuer("OIDC_ISSUER", env.text("OIDC_ISSUER"))
OIDC_CLIENT_ID = env.text("OIDC_CLIENT_ID")
OIDC_CLIENT_SECRET = env.text("OIDC_CLIENT_SECRET")
OIDC_NAME = env.text("OIDC_NAME", "Single sign-on")
if len({bool(each) for each in (OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET)}) > 1:
    raise ImproperlyConfigured(
        "OIDC_ISSUER, OIDC_CLIENT_ID and OIDC_CLIENT_SECRET belong together: set all three, or none."
    )

# Where users get help: a URL or an email address.
SUPPORT_CONTACT = env.contact("SUPPORT_CONTACT")

# --- Web security ---------------------------------------------------------------------------------------------
SECURE_SSL_REDIRECT = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^v1(/|$)", r"^healthz$", r"^readyz$", r"^metrics$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS and env.boolean("HSTS_SUBDOMAINS", False)
SECURE_HSTS_PRELOAD = HTTPS and env.boolean("HSTS_PRELOAD", False)
if SECURE_HSTS_PRELOAD and not SECURE_HSTS_INCLUDE_SUBDOMAINS:
    raise ImproperlyConfigured("HSTS_PRELOAD needs HSTS_SUBDOMAINS=true: browsers' lists take in whole domains only.")
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000
# No page accepts uploads: a form with a file is rejected before the file is read.
DATA_UPLOAD_MAX_NUMBER_FILES = 0

# --- The product's own settings -------------------------------------------------------------------------------
WEBHOOK_ALLOW_CIDRS = env.networks_with_ports("WEBHOOK_ALLOW_CIDRS")
WEBHOOK_RETRY_SCHEDULE = env.seconds("WEBHOOK_RETRY_SCHEDULE", "5,300,1800,7200,18000,36000,50400,72000,86400")
MAINTENANCE_FLAG = validators.file_in_folder("MAINTENANCE_FLAG", env.text("MAINTENANCE_FLAG"))
WEBHOOK_TIMEOUT = env.integer("WEBHOOK_TIMEOUT", default=15, low=1, high=60)
WEBHOOK_HOST_IN_FLIGHT = env.integer("WEBHOOK_HOST_IN_FLIGHT", default=64, low=1, high=10_000)
WEBHOOK_ENDPOINTS = env.integer("WEBHOOK_ENDPOINTS", default=50, low=0, high=1_000_000)
RATE_LIMIT_DEFAULTS = env.limits("RATE_LIMIT_DEFAULTS", "100/minute,5000/hour")
AUTH_FAILURES_PER_MINUTE = env.integer("AUTH_FAILURES_PER_MINUTE", default=60, low=0, high=100_000)
API_CALL_LOG = env.choice("API_CALL_LOG", "strict", ("strict", "stream"))
if API_CALL_LOG == "stream" and not REDIS_URL:
    raise ImproperlyConfigured("API_CALL_LOG=stream needs REDIS_URL.")
RETENTION_DAYS_API_CALLS = env.integer("RETENTION_DAYS_API_CALLS", default=90, low=1, high=3650)
RETENTION_DAYS_EVENTS = env.integer("RETENTION_DAYS_EVENTS", default=30, low=1, high=3650)
RETENTION_DAYS_ATTEMPTS = env.integer("RETENTION_DAYS_ATTEMPTS", default=30, low=1, high=3650)
RETENTION_DAYS_DELIVERIES = env.integer("RETENTION_DAYS_DELIVERIES", default=90, low=1, high=3650)
RETENTION_DAYS_EXPORTS = env.integer("RETENTION_DAYS_EXPORTS", default=7, low=1, high=90)
RETENTION_DAYS_NOTICES = env.integer("RETENTION_DAYS_NOTICES", default=365, low=30, high=3650)
RETENTION_DAYS_AUDIT = env.integer("RETENTION_DAYS_AUDIT", default=365, low=30, high=36_500)
RETENTION_DAYS_CLOSED_ORGANIZATION = env.integer("RETENTION_DAYS_CLOSED_ORGANIZATION", default=90, low=1, high=3650)

# Hooks: functions that ``base`` calls in the apps above it, which it must not import (docs/adr/0001).
# Authentication of API requests, by key or by session.
PORTAL_KEY_AUTHENTICATION = "apps.credentials.gate.authentication.authenticate"
PORTAL_SESSION_AUTHENTICATION = "apps.orgs.members.middleware.actor_for_api"
# Access to pages under /o/<slug>/, by membership.
PORTAL_ENTER_ORGANIZATION = "apps.orgs.members.middleware.enter_organization"
# Records a wrong password at a confirmation in the audit log, and sends mail.
PORTAL_WRONG_CONFIRMATION = "apps.orgs.accounts.failed_sign_ins.record_wrong_confirmation"
# Which roles have a permission and who can grant it, for the page of a 403.
PORTAL_WHO_DECIDES = "apps.orgs.members.permission_help.who_can_grant"
# The organization's own values as examples in the browsable API.
PORTAL_OWN_EXAMPLES = "integrations_portal.api_docs.organization_examples.own_examples"
# Writes the entry of an API request to the call log.
PORTAL_CALL_LOG = "apps.audit.calls.recording.record_call"
# Stores responses by Idempotency-Key.
PORTAL_IDEMPOTENCY = "apps.credentials.idempotency_store.Record"

# --- Public API -----------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_PARSER_CLASSES": ["apps.base.rest.parsing.StrictJSONParser", "apps.base.rest.parsing.SessionFormParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "apps.base.rest.renderers.JSONRenderer",
        "apps.base.rest.browsable.page.BrowsableRenderer",
    ],
    "EXCEPTION_HANDLER": "apps.base.rest.error_responses.exception_response",
    "UNAUTHENTICATED_USER": None,
    # The query parameter ``format`` does not select a renderer: exports use it, elsewhere it is unknown.
    "URL_FORMAT_OVERRIDE": None,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}

# --- Mail -----------------------------------------------------------------------------------------------------
# Mail is only printed in development: in production the log would contain sign-in links.
_mail = env.text("EMAIL_URL") or ("" if HTTPS else "consolemail://")
vars().update(urls.mail_server("EMAIL_URL", _mail) if _mail else {"EMAIL_BACKEND": "apps.orgs.mail.backends.NoMail"})
EMAIL_TIMEOUT = 10
_sender = env.text("DEFAULT_FROM_EMAIL")
DEFAULT_FROM_EMAIL = validators.sender("DEFAULT_FROM_EMAIL", _sender) if _sender else f"integrations@{_public.hostname}"
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# --- Logs -----------------------------------------------------------------------------------------------------
LOG_LEVEL = env.choice("LOG_LEVEL", "INFO", LOG_LEVELS)
LOGGING_CONFIG = None
configure_logging(LOG_LEVEL, sys.stderr)

# --- Checks of all variables ----------------------------------------------------------------------------------
secret_checks.check_distinct(
    {
        "SECRET_KEY": [SECRET_KEY],
        "ENCRYPTION_KEYS": ENCRYPTION_KEYS.values(),
        "KEY_PEPPERS": KEY_PEPPERS.values(),
        "AUDIT_SIGNING_KEY": [AUDIT_SIGNING_KEY],
        "METRICS_TOKEN": [METRICS_TOKEN],
        "OIDC_CLIENT_SECRET": [OIDC_CLIENT_SECRET],
    }
)
misspelled_names.check(env.known, os.environ)
if DEBUG and HTTPS:
    raise ImproperlyConfigured("DEBUG must be false where PUBLIC_URL starts with https://: it shows secrets to anyone.")

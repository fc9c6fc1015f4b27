"""Environment in, settings out.

Read in this order: the process's environment, then `<data folder>/env` (written by `make up` on the embedded
default), then the defaults below. What an app of ours needs is in its own `conf.py`, under the names of
`LONGHAUL_…` variables; `manage.py doctor` prints every value and where it came from.
"""

import os
from pathlib import Path
from typing import Any

import environ

BASE_DIR = Path(__file__).resolve().parent.parent
DATA_DIR = Path(os.environ.get("LONGHAUL_DATA_DIR", BASE_DIR / ".longhaul")).resolve()

env = environ.Env()
if (DATA_DIR / "env").is_file():
    env.read_env(DATA_DIR / "env", overwrite=False)

DEBUG = env.bool("DEBUG", default=False)
# Without a key nothing is signed safely: `make up` writes one into the data folder, production sets its own.
SECRET_KEY = env.str("SECRET_KEY", default="insecure-" + "only-for-commands-that-sign-nothing" * 2)
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
# True behind TLS: secure cookies, redirects, HSTS. The embedded default speaks plain HTTP on loopback.
HTTPS = env.bool("HTTPS", default=False)

# Those that are read where no settings are yet: above, and in `outbox/failpoints.py`; and a secret of whoever runs
# `manage.py runs watch`, which is no setting.
READ_ELSEWHERE = {"LONGHAUL_DATA_DIR", "LONGHAUL_FAILPOINTS", "LONGHAUL_FAILPOINTS_DIR", "LONGHAUL_TOKEN"}
LONGHAUL = {
    name.removeprefix("LONGHAUL_"): value
    for name, value in os.environ.items()
    if name.startswith("LONGHAUL_") and name not in READ_ELSEWHERE
}

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "channels",
    "rest_framework",
    "drf_spectacular",
    "django_celery_beat",
    "outbox",
    "streaming",
    "workflows",
    "documents",
    "config",
]

MIDDLEWARE = [
    "workflows.api.asked.request_ids",
    "django.middleware.security.SecurityMiddleware",
    "config.static_files.static_files",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "workflows.api.throttling.TooMany",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

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
            ],
        },
    },
]

# Rows. SQLite waits for its one writer instead of failing: DEFERRED would answer "locked" at once.
# Without DATABASE_URL not through a URL: in one, `+`, `#` or `%` of the folder's name would mean something else.
DATABASES: dict[str, dict[str, Any]] = {
    "default": env.db("DATABASE_URL")
    if env.str("DATABASE_URL", default="")
    else {"ENGINE": "django.db.backends.sqlite3", "NAME": str(DATA_DIR / "db.sqlite3")}
}
DATABASE_SESSION_LIMITS = env.str(
    "DATABASE_SESSION_LIMITS", default="-c idle_in_transaction_session_timeout=10s -c lock_timeout=10s"
)
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;",
    }
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A process that freezes inside a transaction keeps its row locks: the server ends such a session, and nobody waits
    # longer for a lock than for the next sweep. Transactions of ours take milliseconds. Empty: the server's own limits.
    if DATABASE_SESSION_LIMITS:
        DATABASES["default"].setdefault("OPTIONS", {}).setdefault("options", DATABASE_SESSION_LIMITS)
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# Redis: the streams and the channel layer; the broker may be another server.
REDIS_URL = env.str("REDIS_URL", default="redis://127.0.0.1:6379/0")
BROKER_URL = env.str("BROKER_URL", default=REDIS_URL)
CHANNEL_LAYERS = {
    "default": {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [REDIS_URL], "prefix": "lh-layer"},
    },
}

# People.
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"
AUTHENTICATION_BACKENDS = [
    "workflows.entrance.limits.FailedLogins",  # stops guessing; it knows nobody
    "django.contrib.auth.backends.ModelBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "workflows.api.authentication.TokenInHeader",
        "workflows.api.authentication.BrowserSession",
        "workflows.api.authentication.PasswordInHeader",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["workflows.api.permissions.ScopedCallers"],
    "DEFAULT_PARSER_CLASSES": [
        "workflows.api.requests.BoundedJSONParser",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "workflows.api.problems.exception_handler",
    "URL_FORMAT_OVERRIDE": None,
    "DEFAULT_SCHEMA_CLASS": "workflows.api.description.inspector.Described",
}
SPECTACULAR_SETTINGS = {
    "OAS_VERSION": "3.1.0",
    "TITLE": "Longhaul",
    "DESCRIPTION": "Start durable workflows, act on their runs, and follow them while they work.",
    "VERSION": "1",
    "SORT_OPERATIONS": False,
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "bearer": {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "lh_…",
                "description": "an API token; it does what its scopes say: read, start, act, payloads",
            },
            "session": {
                "type": "apiKey",
                "in": "cookie",
                "name": "sessionid",
                "description": "a browser that has signed in; its writes need the CSRF token too",
            },
            "basic": {"type": "http", "scheme": "basic", "description": "name and password"},
        }
    },
}

# Spans of transitions go there (docs/telemetry.md); empty: nowhere. The SDK itself reads this and the other
# OTEL_… variables.
OTEL_EXPORTER_OTLP_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", default="")

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True

# Files: uploads, large outputs and reports, never below the web root.
MEDIA_ROOT = DATA_DIR / "files"
STATIC_URL = "static/"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
# The sources are few and small: no collectstatic step between a clone and a page.
WHITENOISE_USE_FINDERS = True
FILE_UPLOAD_PERMISSIONS = 0o600

SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
X_FRAME_OPTIONS = "DENY"
# Each of them asks for one of the settings above; instead longhaul.W015 says once which switch turns on all.
SILENCED_SYSTEM_CHECKS = [] if HTTPS else [f"security.W{number}" for number in ("004", "008", "012", "016")]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "config.logging.JsonFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", default="INFO")},
}

"""Every setting of the line: (1) the environment, (2) the numbers of the line, (3) where things live, (4) Django."""

import contextlib
import json
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.translation import gettext_lazy as _

BASE_DIR = Path(__file__).resolve().parent.parent
TIME_ZONE = "Europe/Amsterdam"

# ---------------------------------------------------------------- 1. the environment

env = environ.Env()

# One line for each variable that is not usable; config/checks.py turns them into refusals to start.
PROBLEMS: list[str] = []


def read(name: str, default: Any, parse: Callable[[str], Any], must_be: str) -> Any:
    """The value of one environment variable; an unusable one is noted in PROBLEMS and the default stands."""
    text = str(env(name, default="")).strip()
    if not text:
        return default
    try:
        return parse(text)
    except (ValueError, OverflowError, KeyError, ImproperlyConfigured):
        PROBLEMS.append(f"{name}: must be {must_be}.")
        return default


def switch(text: str) -> bool:
    return {"on": True, "1": True, "true": True, "off": False, "0": False, "false": False}[text.lower()]


def words(text: str) -> list[str]:
    found = [word.strip() for word in text.split(",") if word.strip()]
    if not found:
        raise ValueError
    return found


def duration(text: str) -> timedelta:
    """`90`, `90s`, `30m` or `1h`; at most a year."""
    units = {"s": "seconds", "m": "minutes", "h": "hours"}
    number, unit = (text[:-1], units[text[-1]]) if text[-1] in units else (text, "seconds")
    if not timedelta(0) < (length := timedelta(**{unit: int(number)})) <= timedelta(days=365):
        raise ValueError
    return length


def moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if not 1970 <= at.year <= 2999:  # the clock runs on from there, and looks back and ahead
        raise ValueError
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(TIME_ZONE))


def redis_addresses(text: str) -> list[str]:
    addresses = words(text)
    if not all(address.startswith(("redis://", "rediss://", "unix://")) for address in addresses):
        raise ValueError
    return addresses


def transcript_keys(text: str) -> list[bytes]:
    try:
        keys = [urlsafe_b64decode(word + "=" * (-len(word) % 4)) for word in words(text)]
    except Base64Error as error:
        raise ValueError from error
    if not keys or any(len(key) != 32 for key in keys):
        raise ValueError
    return keys


def port(text: str) -> int:
    if not 0 < (number := int(text)) < 65536:
        raise ValueError
    return number


def rate(text: str) -> tuple[int, timedelta] | None:
    """`10/s` or `5/10m`: so many in that time; `off`: no limit."""
    if text.lower() == "off":
        return None
    number, _slash, time = text.partition("/")
    if int(number) <= 0 or not time:
        raise ValueError
    return int(number), duration(time if time[0].isdigit() else f"1{time}")


def https(text: str) -> str:
    if not text.startswith("https://") or not urlsplit(text).hostname:
        raise ValueError
    return text


def count(text: str) -> int:
    if (number := int(text)) < 0:
        raise ValueError
    return number


HOST = read("HOST", "127.0.0.1", str, "an address to listen on")
PORT = read("PORT", 8000, port, "a port number from 1 to 65535")
# Where the embedded default keeps its files: database, keys, drop directory.
STATE_DIR = (BASE_DIR / read("STATE_DIR", "var", str, "a directory")).resolve()
# Demonstration data and accounts; refuses to run where HOST, ALLOWED_HOSTS or the database is not on this machine.
DEMO = read("DEMO", False, switch, "on or off")
# The password of all accounts of the demonstration.
DEMO_PASSWORD = read("DEMO_PASSWORD", "geruisloos", str, "a password")
# In the demo only: the moment at which the clock starts, with ordinary opening hours instead of around the clock.
DEMO_AT = read("DEMO_AT", None, moment, "an ISO moment, for example 2026-11-24T16:55")
# PostgreSQL in production; empty: an SQLite file in STATE_DIR.
DATABASE_URL = read("DATABASE_URL", "", str, "the address of a PostgreSQL database")
# One Redis address, or several separated by commas (sharded); empty: channel layer and cache in the process.
REDIS_URL = read("REDIS_URL", [], redis_addresses, "one or several redis:// addresses")
# Signs sessions and forms.
SECRET_KEY = read("SECRET_KEY", "", str, "a long random text")
# Keys around the conversations' keys, each 32 random bytes in base64url: the first encrypts, all decrypt.
TRANSCRIPT_KEYS = read("TRANSCRIPT_KEYS", [], transcript_keys, "one or several keys separated by commas, each 32 random bytes in base64url")
ALLOWED_HOSTS = read("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"], words, "host names separated by commas")
# Origins beside the page's own that may post forms and open sockets.
CSRF_TRUSTED_ORIGINS = read("CSRF_TRUSTED_ORIGINS", [], words, "origins with scheme, separated by commas")
# How many proxies in front of us add to X-Forwarded-For.
TRUSTED_PROXIES = read("TRUSTED_PROXIES", 0, count, "a number of proxies, 0 or more")
# How many server processes on this machine; SQLite takes one.
WORKERS = read("WORKERS", 1, count, "a number of processes, 1 or more")
# Conversations that one address may start.
START_RATE = read("START_RATE", (5, timedelta(minutes=10)), rate, "a number in a time, such as 5/10m, or off")
# Frames of one connection, three times as many in a burst.
FRAME_RATE = read("FRAME_RATE", (10, timedelta(seconds=1)), rate, "a number in a time, such as 10/s, or off")
# Without it /metrics answers only a direct request from this machine; with it who says it as Authorization: Bearer.
METRICS_TOKEN = read("METRICS_TOKEN", "", str, "a long random text")
# After how much waiting a chat is offered beyond its region (a region's own value goes first).
OVERFLOW_AFTER = read("OVERFLOW_AFTER", timedelta(seconds=90), duration, "a number of seconds")
# After what silence of an employee their conversations are offered again.
REOFFER_AFTER = read("REOFFER_AFTER", timedelta(seconds=60), duration, "a duration such as 60s")
# How long a silent browser keeps its conversation (threat-model D6).
COOKIE_LIFE = read("COOKIE_LIFE", timedelta(minutes=30), duration, "a duration such as 30m")
# Where the quick exit goes: a boring site that always works (threat-model 4.2).
EXIT_TARGET = read("EXIT_TARGET", "https://www.knmi.nl/nederland-nu/weer/verwachtingen", str, "an https address")
# Where alarms go beside the screens: a mail server, such as smtp+tls://name:password@host:587.
EMAIL_URL = read("EMAIL_URL", {}, lambda text: env.email_url_config(text), "the address of a mail server, such as smtp+tls://host:587")
# Where alarms go beside the screens: an https address that gets a JSON POST.
ALARM_HOOK = read("ALARM_HOOK", "", https, "an https address")
# The drop directory of registrations for Clavis.
CLAVIS_DIR = Path(read("CLAVIS_DIR", str(STATE_DIR / "clavis"), str, "a directory"))


def can_keep() -> bool:
    """Can files be kept in STATE_DIR? Makes it."""
    with contextlib.suppress(OSError):
        STATE_DIR.mkdir(parents=True, exist_ok=True)
    return os.access(STATE_DIR, os.W_OK | os.X_OK)


def demo_secrets() -> dict[str, str]:
    """The demonstration's own keys, made once and kept in STATE_DIR, so that a restart can read what it stored."""
    path = STATE_DIR / "demo-keys.json"
    if not path.exists():
        made = {"SECRET_KEY": secrets.token_urlsafe(48), "TRANSCRIPT_KEYS": urlsafe_b64encode(secrets.token_bytes(32)).decode()}
        aside = STATE_DIR / f".demo-keys-{secrets.token_hex(4)}"
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(made, file)
        with contextlib.suppress(FileExistsError):
            os.link(aside, path)  # fails when another process was first: then its keys count
        aside.unlink()
    return json.loads(path.read_text())


if (DEMO or not DATABASE_URL) and not can_keep():
    PROBLEMS.append("STATE_DIR: must be a directory in which this process can write.")
    DEMO_AT = None  # nothing can be kept of it
elif DEMO:
    SECRET_KEY = SECRET_KEY or demo_secrets()["SECRET_KEY"]
    TRANSCRIPT_KEYS = TRANSCRIPT_KEYS or transcript_keys(demo_secrets()["TRANSCRIPT_KEYS"])
if not DEMO:
    if not SECRET_KEY:
        PROBLEMS.append("SECRET_KEY: must be set to a long random text.")
    if not TRANSCRIPT_KEYS and not any(p.startswith("TRANSCRIPT_KEYS") for p in PROBLEMS):
        PROBLEMS.append("TRANSCRIPT_KEYS: must be set to 32 random bytes in base64url.")
    if DEMO_AT:
        PROBLEMS.append("DEMO_AT: only works in the demonstration; leave it empty.")
        DEMO_AT = None
SECRET_KEY = SECRET_KEY or secrets.token_urlsafe(48)  # only so that `check` can run and say what is wrong

# ---------------------------------------------------------------- 2. the numbers of the line (reliability.md, section 2)

# The server says `pong` unasked; and so often that nobody who answers it is ever silent for REOFFER_AFTER.
HEARTBEAT = min(timedelta(seconds=12), REOFFER_AFTER / 4)
SILENCE = timedelta(seconds=30)  # unheard for so long: not connected
DUTY_BEFORE_OPENING = timedelta(minutes=30)
CLOSING_SOON = timedelta(minutes=20)  # before closing the start page says how long there still is
CLOSING_LAST = timedelta(minutes=5)  # before closing who waits reads what will happen
GIVEN_UP_AFTER_CLOSING = timedelta(minutes=30)  # who still waits then with nobody available is told so
LATE_WARNING = timedelta(minutes=10)  # before it is due, who is planned and not there is warned of
WATCH_EVERY = timedelta(seconds=3)
WATCH_LEASE = timedelta(seconds=15)  # then another process takes over
WATCH_DEAD = timedelta(seconds=90)  # without its heartbeat: said on every staff screen and in `ready`
DELIVER_EVERY = timedelta(minutes=1)
TELL_LIMIT = timedelta(seconds=10)  # for a mail server or a hook to answer
SELFCHECK_EVERY = timedelta(minutes=5)
EVENT_SHOWN = timedelta(minutes=10)  # after somebody has taken it
QUEUE_PROOF = timedelta(seconds=12)  # a queue frame at least so often, so that the page can prove that its list is alive
LOOK_AROUND = timedelta(seconds=4)  # what changes outside this process without a hint is noticed within 5 s
SESSION_CHECK = timedelta(seconds=10)  # a socket's session and account are looked at again (threat-model S3: within 60 s)
AFTER_END = timedelta(seconds=20)  # the line stays open after the end, so that last words arrive
TYPING_EVERY = timedelta(seconds=3)
POLL_MOST = timedelta(seconds=25)
TEXT_CHARACTERS = 4_000
TEXT_BYTES = 16_000
NICKNAME_CHARACTERS = 40
FRAME_BYTES = 64 * 1024
PAGE_OF_ENTRIES = 200
ENDED_SHOWN = 20  # ended and unregistered conversations on one employee's screen
HINT_LIMIT = timedelta(seconds=2)  # publishing a hint never takes longer
BURST = 3  # times FRAME_RATE at once
TOO_FAST_MOST = 60  # refused frames in a row; then the line is closed with 4429
OUTGOING_FRAMES = 1_000
OUTGOING_BYTES = 4 * 1024 * 1024  # what waits for a slow reader; beyond: the line is cut
READER_PATIENCE = timedelta(seconds=30)  # for a reader to take the next page
OVERLOADED = 2_000  # appends that wait: then typing is dropped and new chats are refused, never appends (P15)
ARRIVING = 50  # lines that are let in, or read what they missed, at the same time; the others wait for their turn (P15)
POOL_THREADS = 6
POOL_WAITING = 200  # jobs that may wait for a thread; beyond: `unavailable`
STORE_LIMIT = timedelta(seconds=7)  # a statement's own limit and its way there: then the database is frozen
FLUSH_LIMIT = timedelta(seconds=5)

# Sent to the pages, in seconds.
CLIENT_NUMBERS = {
    "heartbeat": HEARTBEAT.total_seconds(),
    "silence": SILENCE.total_seconds(),
    "resend": 8,
    "doubt": 15,
    "first_reconnect": 1,
    "restart_reconnect": 5,
    "reconnect_base": 1,
    "reconnect_most": 15,
    "stable": 60,
    "poll_after_failures": 3,
    "poll_within": 30,
    "websocket_retry": 60,
    "poll_wait": POLL_MOST.total_seconds(),
    "typing": TYPING_EVERY.total_seconds(),
    "text_characters": TEXT_CHARACTERS,
    "text_bytes": TEXT_BYTES,
    "queue_stale": 30,
}

# ---------------------------------------------------------------- 3. where things live

if DATABASE_URL:
    try:
        DATABASES = {"default": env.db_url_config(DATABASE_URL)}
    except (ImproperlyConfigured, ValueError):
        DATABASES = {"default": {}}
    if DATABASES["default"].get("ENGINE") != "django.db.backends.postgresql" or not DATABASES["default"].get("NAME"):
        PROBLEMS.append("DATABASE_URL: must be the address of a PostgreSQL database (postgres://…), or empty for SQLite in STATE_DIR.")
        DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "none"}}  # only so that `check` can run and say so
    DATABASES["default"].setdefault("OPTIONS", {}).update(
        {
            "pool": {"min_size": 1, "max_size": POOL_THREADS + 14, "timeout": 3},
            "options": "-c statement_timeout=5000 -c lock_timeout=3000 -c idle_in_transaction_session_timeout=60000",
            "connect_timeout": 3,
        }
    )
else:
    DATABASES = {
        "default": {
            "ENGINE": "config.sqlite",
            "NAME": STATE_DIR / "geruisloos.sqlite3",
            "OPTIONS": {
                "timeout": 5,
                "transaction_mode": "IMMEDIATE",
                # Not NORMAL: in WAL mode that loses committed entries at power loss (P1). secure_delete: threat-model K3.
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA secure_delete=ON;",
            },
            # A file also in tests: a database in memory has no WAL.
            "TEST": {"NAME": STATE_DIR / "test.sqlite3"},
        }
    }
SQLITE = not DATABASE_URL
if WORKERS < 1 or (SQLITE and WORKERS > 1):
    PROBLEMS.append("WORKERS: must be 1 or more; more than one needs DATABASE_URL.")
elif WORKERS > 1 and not REDIS_URL:
    PROBLEMS.append("REDIS_URL: must be set when WORKERS is more than 1; without it processes would learn of each other seconds later.")

if REDIS_URL:
    _redis = [{"address": address, "socket_timeout": 3, "socket_connect_timeout": 2, "health_check_interval": 15} for address in REDIS_URL]
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": _redis}}}
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL[0],
            # Never pickled: what lies there may come from somebody else (threat-model O4).
            "OPTIONS": {"serializer": "config.cache.Json", "socket_timeout": 1, "socket_connect_timeout": 1},
        }
    }
else:
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}

# ---------------------------------------------------------------- 4. Django

DEBUG = False
INSTALLED_APPS = [
    "daphne",  # the development server, `manage.py runserver`
    "config.apps.AdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "config",
    "registration",
    "chat",
    "staffing",
]
MIDDLEWARE = [
    "config.headers.headers",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "config.csrf.CsrfMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
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
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "config.headers.page",
            ]
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
INSTALLED_APPS.append("django.forms")

if EMAIL_URL:
    globals().update(EMAIL_URL)
EMAIL_TIMEOUT = TELL_LIMIT.total_seconds()
DEFAULT_FROM_EMAIL = f"geruisloos@{ALLOWED_HOSTS[0].lstrip('.')}"  # '.example.nl' stands for all hosts under it

AUTH_USER_MODEL = "staffing.Employee"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "/staff/login/"
LOGIN_REDIRECT_URL = "/staff/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

LANGUAGE_CODE = "nl"
LANGUAGES = [("nl", _("Dutch")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True

STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "build" / "static"
STATICFILES_DIRS: list[str] = []
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "config.static.ManifestStorage"},
}

# Cookies say nothing about what this is (threat-model D2); outside the demo only over TLS and for this host alone (N1).
_host_only = "" if DEMO else "__Host-"
CHATTER_COOKIE = _host_only + "p1"
CHATTER_COOKIE_SCRIPT = _host_only + "p2"
CSRF_COOKIE_NAME = _host_only + "form"
CSRF_COOKIE_AGE = None
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SECURE = not DEMO
CSRF_FAILURE_VIEW = "chat.views.public.csrf_failure"
SESSION_COOKIE_NAME = _host_only + "desk"
SESSION_COOKIE_AGE = 12 * 60 * 60  # threat-model S4
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SECURE = not DEMO
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"

SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TRUSTED_PROXIES else None
DATA_UPLOAD_MAX_MEMORY_SIZE = 128 * 1024
DEFAULT_EXCEPTION_REPORTER_FILTER = "config.headers.TellNothing"
SILENCED_SYSTEM_CHECKS: list[str] = []

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "config.logs.Line"}},
    "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "line", "stream": "ext://sys.stdout"}},
    "root": {"handlers": ["out"], "level": "WARNING"},
    "loggers": {
        "geruisloos": {"level": "INFO"},
        # No mail to admins and no second handler: one line per event, without text, address or cookie.
        "django": {"handlers": [], "level": "WARNING", "propagate": True},
        "django.server": {"handlers": [], "level": "ERROR", "propagate": False},
    },
}

"""What must not be is refused at start, one line for each variable; cookies and middleware are as the dangers ask (P1; N1, N8, O2-O4)."""

import subprocess
import sys
from datetime import timedelta

import pytest
from django.contrib.sessions.serializers import JSONSerializer
from django.db import connection

from config import checks
from config.server import only_one
from tests.running import ROOT, environment

KEY = "A" * 43


def start(state, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A production start (DEMO off unless it is given); with a command, `manage.py COMMAND`."""
    program = ["manage.py", *command] if command else ["-m", "config.server"]
    env = environment(state, "", "", **{"DEMO": "", "PORT": "", **variables})
    return subprocess.run([sys.executable, *program], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def lines_about(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The variables that the refusals name, in their order."""
    return [line.split(": ")[-2 if line.startswith("?") else 0].split(") ")[-1] for line in done.stderr.splitlines() if ": must " in line]


@pytest.mark.parametrize("command", [(), ("check",)])
def test_a_production_start_without_keys_is_refused(tmp_path, command):
    done = start(tmp_path, *command)

    assert done.returncode == 1
    assert lines_about(done) == ["SECRET_KEY", "TRANSCRIPT_KEYS"]


def test_everything_that_is_wrong_is_said_at_once_one_line_for_each(tmp_path):
    wrong = {
        "SECRET_KEY": "x" * 60,
        "TRANSCRIPT_KEYS": f"{KEY},too-short",
        "ALLOWED_HOSTS": "*",
        "CSRF_TRUSTED_ORIGINS": ",",
        "TRUSTED_PROXIES": "-1",
        "OVERFLOW_AFTER": "soon",
        "COOKIE_LIFE": "0s",
        "PORT": "0",
        "DEMO": "perhaps",
        "REDIS_URL": "localhost",
        "EXIT_TARGET": "javascript:alert(1)",
    }

    done = start(tmp_path, **wrong)

    assert done.returncode == 1
    assert sorted(lines_about(done)) == sorted({*wrong} - {"SECRET_KEY"})
    assert "x" * 60 not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


def test_a_demonstration_moment_in_production_is_refused(tmp_path):
    done = start(tmp_path, SECRET_KEY="x" * 60, TRANSCRIPT_KEYS=KEY, DEMO_AT="2026-11-24T16:55")

    assert (done.returncode, done.stderr) == (1, "DEMO_AT: only works in the demonstration; leave it empty.\n")


def test_a_right_configuration_passes_the_check(tmp_path):
    done = start(tmp_path, "check", SECRET_KEY="x" * 60, TRANSCRIPT_KEYS=f"{KEY},{'B' * 43}", ALLOWED_HOSTS="chat.example.nl")

    assert (done.returncode, lines_about(done)) == (0, []), done.stderr


@pytest.mark.parametrize("hosts", [".example.nl", "example.nl,chat.example.nl"])
def test_mail_comes_from_an_address_under_the_first_host(tmp_path, hosts):
    ask = "from config import settings; print(settings.DEFAULT_FROM_EMAIL)"
    env = environment(tmp_path, "", "", ALLOWED_HOSTS=hosts)

    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)

    assert done.stdout == "geruisloos@example.nl\n", done.stderr


@pytest.mark.sqlite_only
def test_a_second_server_on_the_same_file_is_refused_and_a_command_is_welcome(tmp_path, settings):
    settings.STATE_DIR = tmp_path
    right = {"SECRET_KEY": "x" * 60, "TRANSCRIPT_KEYS": KEY, "ALLOWED_HOSTS": "chat.example.nl"}

    first = only_one()
    second, command = start(tmp_path, **right), start(tmp_path, "check", **right)
    first.close()

    assert (second.returncode, second.stderr.split(": ")[0]) == (1, "STATE_DIR")
    assert len(second.stderr.splitlines()) == 1
    assert command.returncode == 0


# ---------------------------------------------------------------- the checks


def said(found) -> list[str]:
    return [message.msg.split(":")[0] for message in found]


@pytest.mark.parametrize(
    ("fields", "variables"),
    [
        ({}, []),
        ({"ALLOWED_HOSTS": ["chat.example.nl", "*"]}, ["ALLOWED_HOSTS"]),
        ({"DEBUG": True}, ["DEBUG"]),
        ({"EXIT_TARGET": "https://"}, ["EXIT_TARGET"]),
        ({"DEMO": True}, []),
        ({"DEMO": True, "HOST": "::1", "ALLOWED_HOSTS": ["localhost", "127.0.0.7", "[::1]"]}, []),
        ({"DEMO": True, "HOST": "0.0.0.0"}, ["DEMO"]),
        ({"DEMO": True, "HOST": "192.168.1.2"}, ["DEMO"]),
        ({"DEMO": True, "ALLOWED_HOSTS": ["chat.example.nl"]}, ["DEMO"]),
        ({"DEMO": True, "ALLOWED_HOSTS": [".example.nl"], "HOST": "0.0.0.0"}, ["DEMO", "DEMO"]),
    ],
)
def test_what_the_check_refuses(settings, fields, variables):
    for name, value in ({"HOST": "127.0.0.1", "ALLOWED_HOSTS": ["localhost"], "DEBUG": False} | fields).items():
        setattr(settings, name, value)

    assert said(checks.configuration(None)) == variables


@pytest.mark.parametrize(("host", "variables"), [("db.example.nl", ["DEMO"]), ("127.0.0.1", []), ("", []), ("/run/postgresql", [])])
def test_the_demonstration_runs_on_a_database_of_this_machine_only(settings, monkeypatch, host, variables):
    settings.DEMO, settings.SQLITE, settings.ALLOWED_HOSTS = True, False, ["localhost"]
    monkeypatch.setitem(settings.DATABASES["default"], "HOST", host)

    assert said(checks.configuration(None)) == variables


@pytest.mark.django_db(transaction=True)
def test_the_database_of_these_tests_keeps_what_it_acknowledges():
    assert said(checks.durability(None)) == []


@pytest.mark.sqlite_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("weaker", ["synchronous=NORMAL", "synchronous=OFF", "journal_mode=DELETE"])
def test_an_sqlite_that_can_lose_what_it_acknowledged_is_refused(weaker):
    """P1: in WAL mode NORMAL loses committed entries at power loss."""
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA {weaker}")
    try:
        found = checks.durability(None)
    finally:
        connection.close()
        connection.ensure_connection()

    assert said(found) == ["STATE_DIR"]


@pytest.mark.postgresql_only
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("weaker", ["off", "local", "remote_write"])
def test_a_postgresql_that_can_lose_what_it_acknowledged_is_refused(weaker):
    with connection.cursor() as cursor:
        cursor.execute(f"SET synchronous_commit = {weaker}")
        try:
            found = checks.durability(None)
        finally:
            cursor.execute("RESET synchronous_commit")

    assert said(found) == ["DATABASE_URL"]


class Says:
    """A server that answers these values; `fsync` cannot be switched off for one connection alone."""

    def __init__(self, **values: str) -> None:
        self.values = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"} | values

    def execute(self, sql: str, parameters: list[str]) -> None:
        self.answer = self.values[parameters[0]]

    def fetchone(self) -> tuple[str]:
        return (self.answer,)


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
def test_a_postgresql_without_its_protection_against_power_loss_is_refused(name):
    (refused,) = checks._postgresql(Says(**{name: "off"}))

    assert refused.msg == f"DATABASE_URL: must be a database with {name}=on (it says off)."
    assert list(checks._postgresql(Says())) == []


# ---------------------------------------------------------------- what stands in the settings


@pytest.fixture
def cookies(settings) -> list[str]:
    return [settings.CHATTER_COOKIE, settings.CHATTER_COOKIE_SCRIPT, settings.CSRF_COOKIE_NAME, settings.SESSION_COOKIE_NAME]


def test_outside_the_demonstration_every_cookie_is_for_this_host_and_over_tls_only(settings, cookies):
    assert all(name.startswith("__Host-") for name in cookies)
    assert settings.CSRF_COOKIE_SECURE
    assert settings.SESSION_COOKIE_SECURE
    assert settings.CSRF_COOKIE_AGE is None
    assert timedelta(seconds=settings.SESSION_COOKIE_AGE) <= timedelta(hours=12)  # S4


def test_no_name_of_a_cookie_says_what_this_is(cookies):
    """D2."""
    assert not [word for word in ("veilig", "thuis", "geruisloos", "geweld", "chat", "hulp") if word in " ".join(cookies).lower()]


def test_nothing_caches_pages(settings):
    """N8."""
    assert not [name for name in settings.MIDDLEWARE if "cache" in name.lower()]


def test_sessions_are_plain_data_in_the_database(settings):
    """O4, P14."""
    assert settings.SESSION_ENGINE == "django.contrib.sessions.backends.db"
    assert settings.SESSION_SERIALIZER.endswith(JSONSerializer.__name__)


def test_an_error_page_tells_nothing(settings):
    """O2."""
    assert not settings.DEBUG
    assert not settings.ADMINS
    assert settings.DEFAULT_EXCEPTION_REPORTER_FILTER == "config.headers.TellNothing"

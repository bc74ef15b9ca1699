"""
What all tests share: an environment without this machine's settings, the standing clock, a running server, a browser.

Without variables the suite runs on SQLite; with DATABASE_URL and REDIS_URL on PostgreSQL and Redis (`make test` does both).
"""

import atexit
import base64
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
import pytest_asyncio
from django.conf import settings
from django.db.models.signals import post_migrate
from playwright.async_api import Browser, Page, async_playwright

ROOT = Path(__file__).resolve().parent.parent
# What these say is the same on every stack; `--everything` tries it on both.
ONCE = ROOT / "tests" / "rules", ROOT / "tests" / "pages"
SLOW = ROOT / "tests" / "launcher", ROOT / "tests" / "process"
STATE = Path(tempfile.mkdtemp(prefix="geruisloos-tests-"))
atexit.register(shutil.rmtree, STATE, ignore_errors=True)
POSTGRESQL = bool(os.environ.get("DATABASE_URL"))
WORKER = os.environ.get("PYTEST_XDIST_WORKER", "gw0")

# Before Django reads them: nothing of the person's own environment, and each worker on a Redis of its own.
LAYERS = os.environ.setdefault("TEST_REDIS_URLS", os.environ.get("REDIS_URL", "")).split(",")
for name in re.findall(r'\bread\(\s*"([A-Z_]+)"', (ROOT / "config" / "settings.py").read_text()):
    if name != "DATABASE_URL":
        os.environ.pop(name, None)
os.environ |= {
    "STATE_DIR": str(STATE),
    "SECRET_KEY": "for tests on this machine alone, and nothing else",
    # Everybody here has one address and all the time of the standing clock; tests/protocol/test_bounds.py switches them on.
    "START_RATE": "off",
    "FRAME_RATE": "off",
    "TRANSCRIPT_KEYS": base64.urlsafe_b64encode(bytes(32)).decode(),
    "REDIS_URL": LAYERS[int(WORKER.removeprefix("gw")) % len(LAYERS)],
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--everything", action="store_true", help="on PostgreSQL also what CI tries on SQLite alone: rules, pages, browsers")
    parser.addoption(
        "--hints", choices=["none", "wild"], help="only what is done at the doors, with hints that are lost, or double and late"
    )


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        # Pages and texts are tested as they are shipped: with hashed names, and with compiled translations.
        subprocess.run([ROOT / "run.sh", "build"], check=True, stdin=subprocess.DEVNULL)
    # Named only while the settings are read: found in the environment, a worker would read them before it has one of its own.
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    assert STATE == settings.STATE_DIR
    del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_sessionstart() -> None:
    # Nobody's rights come from Django's permissions, and making them anew after each test takes longer than most tests.
    assert post_migrate.disconnect(dispatch_uid="django.contrib.auth.management.create_permissions")


def pytest_unconfigure() -> None:
    shutil.rmtree(STATE, ignore_errors=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    chosen, left_out = [], []
    for item in items:
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")
            # The browser lives longer than one test, so the loop that it belongs to does too.
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)
        marks = {mark.name for mark in item.iter_markers()}
        if any(item.path.is_relative_to(place) for place in ONCE) and "postgresql_only" not in marks:
            marks.add("once")
        once = set() if config.getoption("everything") else {"browser", "once"}
        elsewhere = marks & ({"sqlite_only"} | once if POSTGRESQL else {"postgresql_only"})
        if config.getoption("hints"):
            has_them = "hints_asked_for" in getattr(item, "fixturenames", ())
            elsewhere |= marks & {"hints"} if has_them else {"has hints of its own, or none"}
        (left_out if elsewhere else chosen).append(item)
    # What takes long comes first, of what needs no database of its own: pytest-django puts what does before it.
    items[:] = sorted(chosen, key=lambda item: not any(item.path.is_relative_to(place) for place in SLOW))
    config.hook.pytest_deselected(items=left_out)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo) -> Iterator[None]:
    """Nothing is skipped in silence: what cannot run here has a marker of its stack, or has failed."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"skipped, which no test may be: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Iterator[None]:
    report = yield
    if report.skipped:
        report.outcome, report.longrepr = "failed", f"skipped, which no file may be: {report.longrepr}"
    return report


# No test judges speed: a busy machine is no failure. What made a property fail is printed, so that it can be tried again.
hypothesis.settings.register_profile("geruisloos", deadline=None, print_blob=True)
hypothesis.settings.load_profile("geruisloos")


# ---------------------------------------------------------------- time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    """The product's clock, standing at Tuesday 24 November 2026, 10:00 in Amsterdam, until the test moves it."""
    import staffing.clock
    from tests.clock import StandingClock

    standing = StandingClock("2026-11-24 10:00")
    monkeypatch.setattr(staffing.clock, "current", standing)
    return standing


# ---------------------------------------------------------------- the product as a process


@pytest.fixture(scope="session")
def _prepared(tmp_path_factory: pytest.TempPathFactory):
    from tests.running import Prepared

    prepared = Prepared(tmp_path_factory.mktemp("running"), os.environ.get("DATABASE_URL", ""), os.environ["REDIS_URL"])
    yield prepared
    prepared.discard()


@pytest.fixture
def running_with(_prepared):
    """`running_with(OVERFLOW_AFTER="2")`: a started server of the demonstration, on a state of its own."""
    started = []

    def start(**environment: str):
        started.append(_prepared.run(**environment))
        return started[-1]

    yield start
    for server in started:
        server.discard()


@pytest.fixture
def running(running_with):
    """A started server of the demonstration: `base`, `ws`, `kill()`, `stop()`, `restart()`, `manage(…)`."""
    return running_with()


# ---------------------------------------------------------------- browsers


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def _chromium() -> AsyncIterator[Browser]:
    from tests.browsing import launch

    async with async_playwright() as playwright:
        chromium = await launch(playwright)
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="session")
async def browser(_chromium: Browser) -> AsyncIterator[Callable[..., Awaitable[Page]]]:
    """
    `page = await browser(width=320, java_script_enabled=False)`: a person with a fresh browser of their own.

    The test fails when one of the pages throws, breaks the content security policy or asks another host;
    `page.watch` tells what was asked, `page.watch.allow(address)` permits leaving to it.
    """
    from tests.browsing import Watch

    contexts, watches = [], []

    async def open_page(width: int = 1280, height: int = 800, **options) -> Page:
        defaults = {"locale": "nl-NL", "timezone_id": "Europe/Amsterdam", "viewport": {"width": width, "height": height}}
        context = await _chromium.new_context(**(defaults | options))
        watch = Watch()
        contexts.append(context)
        watches.append(watch)
        await watch.on(context)
        page = await context.new_page()
        page.watch = watch
        return page

    yield open_page
    for context in contexts:
        await context.close()
    errors = [error for watch in watches for error in watch.errors]
    assert not errors, "\n".join(errors)

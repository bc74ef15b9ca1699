"""The process from the first word to the file, by people with real browsers; one server for each file of tests."""

import pytest
import pytest_asyncio

from tests.people import People
from tests.protocol.conftest import hints_asked_for, site
from tests.proxy import Proxy

__all__ = ["hints_asked_for", "site"]  # for the steps that the clock decides

EXIT_TARGET = "https://weather.example/"


@pytest.fixture(scope="module")
def line(_prepared):
    """The server of this file's tests: a running demonstration. A test that stops it starts it again."""
    server = _prepared.run(EXIT_TARGET=EXIT_TARGET)
    yield server
    server.discard()


@pytest.fixture(scope="module")
def _sessions():
    return {}


@pytest_asyncio.fixture(loop_scope="session")
async def people(browser, line, _sessions):
    everybody = People(browser, line.base, EXIT_TARGET, _sessions)
    yield everybody
    await everybody.go()


@pytest_asyncio.fixture(loop_scope="session")
async def proxy(line):
    """A line of its own to the server: `await people.chatter(base=proxy.base)`."""
    async with Proxy(line.address) as faulty:
        yield faulty

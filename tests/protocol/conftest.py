"""The whole product in this process, for everything that its doors promise; Ans, who is on duty, and a chatter who talks to her."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

# Models can be imported only once Django is set up, so each fixture imports what it needs.


@pytest.fixture
def hints_asked_for(pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch) -> str | None:
    """With `--hints=none` or `--hints=wild` the process's switchboard is that one."""
    from chat import hints
    from tests.switchboards import BOARDS

    asked = pytestconfig.getoption("hints")
    if asked:
        monkeypatch.setattr(hints, "Switchboard", BOARDS[asked])
    return asked


@pytest_asyncio.fixture
async def site(transactional_db: None, clock: Any, hints_asked_for: str | None) -> AsyncIterator[Any]:
    """`site.there_is(…)`, `site.passes(seconds=12)`, `site.settled()`; people are made with it: `Chatter(site)`."""
    from tests.client import Site

    site = Site(clock, patient=bool(hints_asked_for))
    yield site
    await site.close()


@pytest_asyncio.fixture
async def employee(site: Any) -> Any:
    """Ans is on duty, and connected."""
    from tests.client import Employee
    from tests.factories import EmployeeFactory

    employee = await Employee(site).logs_in(await site.there_is(EmployeeFactory, on_duty=True, name="Ans"))
    await employee.connects()
    return employee


@pytest_asyncio.fixture
async def talk(site: Any, employee: Any) -> Any:
    """A running conversation with Ans: the notice of the accept is number 1."""
    from tests.factories import ConversationFactory

    talk = await site.there_is(ConversationFactory, region=employee.who.region, nickname="Zij", held=employee.who)
    await site.settled()
    return talk


@pytest_asyncio.fixture
async def chatter(site: Any, talk: Any) -> Any:
    """The one who talks to Ans, connected."""
    from tests.client import Chatter

    chatter = Chatter(site).holds(talk.secret)
    await chatter.connects()
    return chatter

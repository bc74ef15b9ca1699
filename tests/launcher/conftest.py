"""The launcher from outside: real processes, real TCP, hostile and unlucky clients; one server for each file of tests."""

import pytest
import pytest_asyncio

from tests.launcher.wire import Chatter, Employee, Line


class People:
    """Everybody of one test: `chatter = await people.chatter()`. Whoever is still there at its end is led out."""

    def __init__(self, server):
        self.server, self.everybody = server, []

    async def chatter(self, text="Hallo", server=None, **how):
        """With a conversation, and without a line yet."""
        chatter = Chatter(server or self.server, **how)
        self.everybody.append(chatter)
        return await chatter.starts(text)

    async def employee(self, login="fo-zw-1", server=None, **how):
        """Logged in and on duty."""
        employee = Employee(server or self.server, **how)
        self.everybody.append(employee)
        return await employee.is_on_duty(login)

    async def pair(self, **how):
        """A conversation that has been accepted: chatter, chatter's line, employee's line, and what staff frames are about."""
        chatter, employee = await self.chatter(**how), await self.employee()
        line, desk = await chatter.connects(), await employee.connects()
        welcome = await employee.accepts(desk, chatter)
        return chatter, line, desk, {"conversation": chatter.conversation, "assignment": welcome["assignment"]}

    async def go(self):
        for somebody in self.everybody:
            await somebody.goes()


@pytest.fixture(scope="module")
def server(_prepared):
    """The server of this file's tests, with its limits as they are by default."""
    running = _prepared.run(FRAME_RATE="")
    yield running
    running.discard()


@pytest_asyncio.fixture(autouse=True)
async def lines():
    """No line outlives its test."""
    yield
    while Line.opened:
        await Line.opened.pop().hangs_up()


@pytest_asyncio.fixture
async def people(request):
    everybody = People(request.getfixturevalue("server") if "server" in request.fixturenames else None)
    yield everybody
    await everybody.go()

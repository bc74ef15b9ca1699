"""Two releases side by side on one database: people of one talk with people of the other, and move over without loss (P13)."""

import asyncio
from contextlib import suppress

import pytest

from chat.rules import Author
from tests.client import Careful
from tests.launcher.state import complaints, logs
from tests.launcher.wire import PATIENCE, Chatter, a_moment, until
from tests.running import Running
from tests.stacks import free_port

pytestmark = pytest.mark.postgresql_only

RESTARTS = 4012
SAYS = 25  # messages by each side of each conversation
CHATTERS = 3


@pytest.fixture
def releases(running_with):
    """The old one and the new one."""
    old = running_with()
    new = Running(old.environment | {"PORT": str(free_port())})
    new.log = old.state.with_name(f"{old.state.name}-new.log")
    new.start()
    yield old, new
    if new.process:
        new.kill()


class Talking:
    """A chatter as their page behaves: says the next message after an `ack`, and goes where there is a server."""

    def __init__(self, chatter: Chatter, other: Running) -> None:
        self.chatter, self.other = chatter, other
        self.page = Careful(Author.CHATTER)
        self.codes: list[int | None] = []
        self.heard_last = asyncio.Event()

    async def talks(self) -> None:
        async with asyncio.timeout(2 * PATIENCE):
            while len(self.page.said) < SAYS or self.page.outbox or not self.heard_last.is_set():
                with suppress(OSError, AssertionError):  # nobody there, or broken off: again
                    await self._on_one_line()

    async def _on_one_line(self) -> None:
        line = await self.chatter.connects(after=self.page.after, tell=[self._hears])
        self.line = line
        for frame in self.page.says_again():
            line.says(**_as_said(frame))
        while not line.is_over:
            if not self.page.outbox and len(self.page.said) < SAYS:
                line.says(**_as_said(self.page.writes(f"chatter {len(self.page.said)}")))
            elif not self.page.outbox and self.heard_last.is_set():
                return
            await a_moment()
        self.codes.append(line.code)
        self.chatter.server = self.other

    def _hears(self, frame) -> None:
        self.page.hears(frame)
        if frame.get("text") == f"employee {SAYS - 1}":
            self.heard_last.set()


def _as_said(frame) -> dict:
    return {"kind": frame["type"], **{name: value for name, value in frame.items() if name != "type"}}


async def test_who_talks_across_two_releases_moves_to_the_new_one_and_nothing_is_lost_doubled_or_out_of_order(releases, people):
    old, new = people.server, _ = releases
    employee = await people.employee(server=new)
    pages: dict[str, Careful] = {}
    desk = await employee.connects(tell=[lambda frame: pages[frame["conversation"]].hears(frame) if _is_of(frame, pages) else None])
    talking = []
    for _ in range(CHATTERS):
        chatter = await people.chatter()
        await chatter.connects()
        pages[chatter.conversation] = Careful(Author.EMPLOYEE, conversation=chatter.conversation)
        await employee.accepts(desk, chatter)
        talking.append(Talking(chatter, new))

    async def answers(page: Careful) -> None:
        while len(page.said) < SAYS:
            desk.says(**_as_said(page.writes(f"employee {len(page.said)}")))
            await until(lambda: not page.outbox, "an answer is acknowledged")

    everybody = asyncio.gather(*(one.talks() for one in talking), *(answers(page) for page in pages.values()))
    await until(lambda: all(len(one.page.said) >= 5 for one in talking), "everybody talks")
    assert await asyncio.to_thread(old.stop) == 0
    await everybody
    await until(
        lambda: all(page.after == pages[one.chatter.conversation].after for one in talking for page in [one.page]), "both sides know all"
    )

    stored = logs(new)
    for one in talking:
        page, desk_page = one.page, pages[one.chatter.conversation]
        assert one.codes[0] == RESTARTS
        assert page.shown == desk_page.shown
        assert [(seq, id) for seq, (id, _, _) in enumerate(page.shown, 1)] == stored[one.chatter.conversation]
        for author in ("chatter", "employee"):
            spoken = [text for _, who, text in page.shown if who == author and text.startswith(author)]
            assert spoken == [f"{author} {n}" for n in range(SAYS)]
    await talking[0].chatter.connects()
    assert complaints(old) == complaints(new) == []


def _is_of(frame, pages) -> bool:
    return frame.get("conversation") in pages

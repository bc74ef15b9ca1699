"""
Whatever is cut, lost, said again or said another way: every side ends with the log, and the log has what was acknowledged (P1, P2, P5).

Two careful sides, one of them with a second tab, over sockets and plain HTTP, in every order that Hypothesis thinks of.
"""

import json
from typing import Any

from hypothesis import HealthCheck, example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from chat import entries
from chat.rules import Author
from tests.client import Browser, Careful, Chatter, Employee, Site, Socket, give_way
from tests.factories import ConversationFactory, EmployeeFactory


class Side:
    """Somebody who writes and reads with care, over a line that does not deserve it."""

    def __init__(self, browser: Browser, path: str, author: Author, **about: str) -> None:
        self.browser, self.path, self.about = browser, path, about
        self.careful = Careful(author, **about)
        self.line: Socket | None = None
        self.heard = 0

    def listens(self) -> None:
        if self.line:
            for frame in self.line.frames[self.heard :]:
                if frame.get("conversation", self.about.get("conversation")) == self.about.get("conversation"):
                    self.careful.hears(frame)
            self.heard = len(self.line.frames)

    async def connects(self) -> None:
        if self.line is None:
            self.line, self.heard = await self.browser.opens(self.path), 0
            after: Any = {self.about["conversation"]: self.careful.after} if self.about else self.careful.after
            self.line.says("hello", after=after)
            for frame in self.careful.says_again():
                self.line.says_raw(json.dumps(frame))

    async def writes(self, text: str) -> None:
        frame = self.careful.writes(text)
        if self.line:
            self.line.says_raw(json.dumps(frame))

    async def is_cut(self) -> None:
        """What the line had still to say is lost, answers too."""
        if self.line:
            await self.line.hangs_up()
            self.line = None

    async def by_http(self, site: Site, answered: bool) -> None:
        """What is not acknowledged goes by plain HTTP, whose answer may be lost."""
        if self.line is None and isinstance(self.browser, Chatter):
            for frame in self.careful.says_again():
                answer = await self.browser.posts_json("/entries/", {"id": frame["id"], "text": frame["text"]})
                if answered:
                    self.careful.hears(answer.json())
            for entry in (await self.browser.polls(after=self.careful.after)).json()["entries"] if answered else ():
                self.careful.hears({"type": "entry", **entry})


WHO = st.sampled_from(["chatter", "second tab", "employee"])
STEPS = st.lists(
    st.tuples(st.just("writes"), WHO)
    | st.tuples(st.just("writes"), WHO)
    | st.tuples(st.just("listens"), WHO)
    | st.tuples(st.just("is cut"), WHO)
    | st.tuples(st.just("connects"), WHO)
    | st.tuples(st.sampled_from(["by http", "by http, unanswered"]), st.just("chatter"))
    | st.tuples(st.just("time passes"), st.integers(0, 6)),
    max_size=25,
)


@hypothesis_settings(
    max_examples=30, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(STEPS)
@example(
    [
        ("connects", "chatter"),
        *[("writes", "chatter")] * 10,
        ("is cut", "chatter"),
        ("by http, unanswered", "chatter"),
        ("connects", "chatter"),
    ]
)
async def test_every_side_ends_with_the_log_whatever_happens_to_its_line(site, steps):
    colleague = await site.there_is(EmployeeFactory, on_duty=True)
    conversation = await site.there_is(ConversationFactory, region=colleague.region, held=colleague)
    employee = await Employee(site).logs_in(colleague)
    sides = {
        "chatter": Side(Chatter(site).holds(conversation.secret), "/ws/chatter/", Author.CHATTER),
        "second tab": Side(Chatter(site).holds(conversation.secret), "/ws/chatter/", Author.CHATTER),
        "employee": Side(employee, "/ws/staff/", Author.EMPLOYEE, conversation=str(conversation.pk)),
    }
    written: dict[str, str] = {}

    for number, (what, how) in enumerate(steps):
        match what:
            case "writes":
                await sides[how].writes(f"regel {number}")
                written |= sides[how].careful.outbox
            case "listens":
                sides[how].listens()
            case "is cut":
                await sides[how].is_cut()
            case "connects":
                await sides[how].connects()
            case "by http" | "by http, unanswered":
                await sides[how].by_http(site, answered=what == "by http")
            case "time passes":
                site.clock.forward(seconds=how)
                for _ in range(how):
                    await give_way()
    for side in sides.values():
        side.listens()
        await side.is_cut()
        await side.connects()
    await site.settled()
    for side in sides.values():
        side.listens()
        await side.is_cut()

    log = [(str(entry.id), entry.author.value, entry.text_) for entry in await site.there_is(entries.after, conversation.pk, 0, 1_000)]
    mine = [(id, text) for id, author, text in log if author != "system"]
    assert dict(mine) == written
    assert len(mine) == len(written)  # each once, and nothing that nobody wrote
    for side in sides.values():
        assert side.careful.shown == log
        assert (side.careful.outbox, side.careful.final) == ({}, {})
        texts = [int(text.split()[1]) for id, text in mine if id in side.careful.said]
        assert texts == sorted(texts)  # one side's own order is kept

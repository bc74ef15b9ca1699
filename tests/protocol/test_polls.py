"""Long polling reads the same log as a socket, and holds neither a thread nor a connection while it waits (P5, P14)."""

import asyncio
import threading
import uuid

import pytest

from chat import hints
from chat.rules import Author
from tests.client import Chatter
from tests.factories import ConversationFactory, writes


@pytest.fixture
async def poller(site, talk):
    """The one who talks to Ans, through a network that lets no sockets through."""
    return Chatter(site).holds(talk.secret)


async def test_a_poll_answers_with_what_is_new_and_the_state(site, talk, poller):
    await site.there_is(writes, talk, "een", "twee")

    answer = await poller.polls(after=1)

    body = answer.json()
    assert [entry["text"] for entry in body.pop("entries")] == ["een", "twee"]
    assert len(body.pop("version")) > 0
    assert body == {
        "first_seq": 1,
        "last_seq": 3,
        "state": {"state": "active", "position": None, "employee": "Ans", "peer": "here"},
        "call": None,
        "steps": None,
    }
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"


async def test_an_entry_in_a_poll_is_the_frame_without_its_type(site, talk, poller, chatter):
    frame = next(frame for frame in chatter.line.frames if frame["type"] == "entry")

    (entry,) = (await poller.polls()).json()["entries"]

    assert {"type": "entry", **entry} == frame


async def test_everything_comes_however_long_the_log_is(site, talk, poller, settings):
    settings.PAGE_OF_ENTRIES = 3
    await site.there_is(writes, talk, *(str(n) for n in range(10)))

    body = (await poller.polls(after=1)).json()

    assert [entry["text"] for entry in body["entries"]] == [str(n) for n in range(10)]


async def test_a_poll_waits_for_the_first_entry(site, employee, talk, poller):
    waiting = await poller.begins_to_poll(after=1, wait=20)
    assert not waiting.done()

    employee.line.sends("Dag", conversation=talk.pk)

    assert [entry["text"] for entry in (await waiting).json()["entries"]] == ["Dag"]


async def test_a_poll_ends_when_somebody_accepts(site, employee):
    waits = await site.there_is(ConversationFactory, region=employee.who.region)
    waiting = await Chatter(site).holds(waits.secret).begins_to_poll(wait=25)
    assert not waiting.done()

    await employee.accepts(waits)

    assert (await waiting).json()["state"] == {"state": "active", "position": None, "employee": "Ans", "peer": "here"}


async def test_a_poll_ends_when_the_place_in_the_queue_gets_better(site, employee):
    first = await site.there_is(ConversationFactory, region=employee.who.region)
    site.clock.forward(seconds=1)
    second = await site.there_is(ConversationFactory, region=employee.who.region)
    waiting = await Chatter(site).holds(second.secret).begins_to_poll(wait=25)
    assert not waiting.done()

    await employee.accepts(first)

    assert (await waiting).json()["state"]["position"] == 1


async def test_a_poll_ends_when_the_employees_line_is_lost(site, employee, talk, poller):
    employee.line.falls_silent()
    await site.passes(seconds=10)
    waiting = await poller.begins_to_poll(after=1, wait=25)
    assert not waiting.done()

    await site.passes(seconds=22)

    assert waiting.done()
    assert (await waiting).json()["state"]["peer"] == "lost"


async def test_a_poll_ends_with_the_conversation(site, employee, talk, poller):
    waiting = await poller.begins_to_poll(after=1, wait=25)
    assert not waiting.done()

    employee.line.says("end", conversation=talk.pk)

    assert (await waiting).json()["state"]["state"] == "ended"


async def test_a_poll_waits_as_long_as_it_asked_and_never_longer_than_25_seconds(site, talk, poller):
    short, long = [await poller.begins_to_poll(after=1, wait=wait) for wait in (10, 900)]

    await site.passes(seconds=9)
    assert not short.done()
    await site.passes(seconds=1)
    assert (await short).json()["entries"] == []

    await site.passes(seconds=14)
    assert not long.done()
    await site.passes(seconds=1)
    assert (await long).status_code == 200


async def test_a_poll_that_does_not_wait_answers_at_once(site, talk, poller):
    assert (await poller.polls(after=1)).json()["entries"] == []


async def test_with_the_version_that_stands_a_poll_waits_and_with_another_it_answers_at_once(site, employee, talk, poller):
    version = (await poller.polls(after=1)).json()["version"]
    waiting = await poller.begins_to_poll(after=1, wait=25, version=version)
    assert not waiting.done()
    employee.line.says("end", conversation=talk.pk)
    after = (await waiting).json()["version"]

    assert after != version
    assert (await poller.polls(after=1, wait=25, version=version)).json()["version"] == after


async def test_a_waiting_poll_holds_no_thread(site, employee, talk, settings):
    """design.md: 200 Django views that wait took 202 threads and 200 connections."""
    many = [Chatter(site).holds((await site.there_is(ConversationFactory, region=talk.region)).secret) for _ in range(20)]
    before = threading.active_count()

    waiting = [await one.begins_to_poll(wait=20) for one in many]
    await site.settled()  # every thread of the pool has empty hands

    assert not any(task.done() for task in waiting)
    assert threading.active_count() <= before + settings.POOL_THREADS
    await site.passes(seconds=20)
    assert {(await task).status_code for task in waiting} == {200}


async def test_whoever_waits_in_a_poll_is_heard_all_the_time(site, employee, talk, poller):
    for _ in range(3):
        waiting = await poller.begins_to_poll(after=1, wait=25)
        await site.passes(seconds=25)
        await waiting

    assert employee.line.screen.states[str(talk.pk)]["peer"] == "here"


async def test_a_browser_that_goes_away_is_no_longer_heard(site, employee, talk, poller):
    waiting = await poller.begins_to_poll(after=1, wait=25)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    await site.passes(seconds=40)

    assert employee.line.screen.states[str(talk.pk)]["peer"] == "lost"


async def test_asking_after_a_number_says_that_it_was_shown(site, employee, talk, poller):
    await site.there_is(writes, talk, "een", "twee")

    await poller.polls(after=2)
    told = await employee.line.hears("read")
    await poller.polls(after=9_000)
    await site.passes(seconds=1)

    assert told == {"type": "read", "conversation": str(talk.pk), "author": "chatter", "seq": 2}
    assert (await employee.connects()).screen.reads == {str(talk.pk): 3}


async def test_a_message_by_http_is_answered_with_its_ack_and_told_to_the_other_side(site, employee, talk, poller):
    id, at = uuid.uuid4(), site.moment

    answer = await poller.writes("Hoi", id)
    told = await employee.line.hears("entry", seq=2)

    assert (answer.status_code, answer.json()) == (200, {"type": "ack", "id": str(id), "seq": 2, "at": at})
    assert (told["id"], told["text"]) == (str(id), "Hoi")


async def test_a_poll_ends_when_the_right_to_it_is_gone(site, talk, poller):
    waiting = await poller.begins_to_poll(after=1, wait=25)
    left = Chatter(site).holds(talk.secret)

    await left.posts("/leave/")

    assert (await waiting).status_code == 404


@pytest.mark.parametrize("question", ["after=-1", "after=x", "wait=-1", "wait=x", "wait=nan", "after=1.5"])
async def test_a_question_that_cannot_be_read_is_refused(site, talk, poller, question):
    answer = await poller.http.get(f"/entries/?{question}", headers={"Accept": "application/json"})

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_frame")


async def test_without_a_conversation_there_is_nothing_to_poll(site):
    answer = await Chatter(site).polls()

    assert (answer.status_code, answer.json()["type"], answer.json()["code"]) == (404, "refused", "not_found")


async def test_after_the_end_a_poll_does_not_wait(site, employee, talk, poller):
    await site.there_is(writes, talk, "Tot ziens", author=Author.EMPLOYEE)
    employee.line.says("end", conversation=talk.pk)
    await employee.line.hears("state", state="ended")

    body = (await poller.polls(wait=25)).json()

    assert body["state"]["state"] == "ended"
    assert [entry["text"] for entry in body["entries"]][-1:] == ["Tot ziens"]


async def test_the_page_without_script_gets_its_newer_entries_as_a_frame(site, talk, poller):
    await site.there_is(writes, talk, "Hoi")

    frame = await poller.gets("/entries/?after=1")

    assert frame.headers["Content-Type"].startswith("text/html")
    assert frame.headers["Refresh"] == "10"
    assert "Hoi" in frame.text


async def test_a_poll_notices_what_no_hint_told_within_5_seconds(site, employee, talk):
    waiting = await Chatter(site).holds(talk.secret).begins_to_poll(after=1, wait=25)
    await site.there_is(writes, talk, "van elders", told=False)

    await site.passes(seconds=5)

    assert waiting.done()
    assert [entry["text"] for entry in (await waiting).json()["entries"]] == ["van elders"]


@pytest.mark.hints
async def test_a_hint_of_what_a_poll_has_already_does_not_end_it(site, employee, talk):
    waiting = await Chatter(site).holds(talk.secret).begins_to_poll(after=1, wait=25)
    for line in tuple(hints.here.lines[talk.pk]):
        line.grown(talk.pk, 1)

    await site.passes(seconds=1)

    assert not waiting.done()

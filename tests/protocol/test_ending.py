"""The end: told to both, the line closes after the last words, and a page that is loaded again shows those and nothing else (D6)."""

import uuid

import pytest

from chat.rules import Author
from tests.client import Chatter
from tests.factories import ConversationFactory, writes


async def test_the_line_stays_open_for_20_seconds_after_the_end_and_is_then_closed(site, employee, talk, chatter):
    employee.line.says("end", conversation=talk.pk)
    await chatter.line.hears("state", state="ended")

    await site.passes(seconds=18)
    assert chatter.line.code is None
    await site.passes(seconds=4)

    assert chatter.line.code == 1000


async def test_what_comes_late_is_refused_and_what_was_stored_is_acknowledged(site, talk, chatter):
    id = chatter.line.sends("op tijd")
    await chatter.line.hears("ack")
    chatter.line.says("end")
    await chatter.line.hears("state", state="ended")

    late = chatter.line.sends("te laat")
    refused = await chatter.line.hears("refused")
    chatter.line.sends("op tijd", uuid.UUID(id))

    assert (refused["id"], refused["code"]) == (late, "ended")
    assert await chatter.line.hears("ack", id=id, seq=2)


async def test_ending_twice_is_the_same_end(site, employee, talk, chatter):
    at = site.clock.now()
    chatter.line.says("end")
    await chatter.line.hears("state", state="ended")
    site.clock.forward(seconds=2)
    employee.line.says("end", conversation=talk.pk, reason="misuse")
    await site.settled()

    ended = await site.there_is(type(talk).objects.get)
    assert (ended.ended_by, ended.end_kind, ended.ended_at) == ("chatter", "chatter_ended", at)


async def test_an_end_with_an_outdated_assignment_is_refused(site, employee, talk):
    employee.line.says("end", conversation=talk.pk, assignment=0)

    assert (await employee.line.hears("refused"))["code"] == "not_allowed"
    assert (await site.there_is(type(talk).objects.get)).state == "active"


async def test_an_ended_conversation_makes_room_and_stays_readable(site, employee, talk):
    assert employee.line.screen.queue[1] == 2

    employee.line.says("end", conversation=talk.pk)
    await employee.line.hears("state", state="ended")
    await site.settled()
    reloaded = await employee.connects()

    assert employee.line.screen.queue[1] == 3
    assert reloaded.screen.states[str(talk.pk)]["state"] == "ended"
    assert reloaded.screen.logs[str(talk.pk)]


# ---------------------------------------------------------------- last words


@pytest.fixture
async def last_words(site, employee, talk, chatter):
    """The employee said two things, of which the chatter was shown one; then the employee ended it."""
    await site.there_is(writes, talk, "Ik ben bang")
    await site.there_is(writes, talk, "Bel straks 112", author=Author.EMPLOYEE)
    await chatter.line.hears("entry", seq=3)
    chatter.line.says("read", seq=3)
    await site.passes(seconds=1)
    await chatter.line.hangs_up()
    await site.there_is(writes, talk, "Tot morgen", author=Author.EMPLOYEE)
    employee.line.says("end", conversation=talk.pk)
    await site.settled()
    return chatter


async def test_a_line_after_the_end_gets_the_last_words_and_is_closed(site, last_words):
    line = await last_words.connects()

    assert [frame["type"] for frame in line.frames] == ["welcome", "entry", "state"]
    assert (line.frames[0]["first_seq"], line.frames[0]["last_seq"]) == (4, 4)
    assert line.frames[1]["text"] == "Tot morgen"
    assert line.frames[2]["state"] == "ended"
    assert await line.closes() == 1000


async def test_polling_and_the_end_page_show_the_same_last_words_and_nothing_earlier(site, last_words):
    polled = (await last_words.polls()).json()
    page = (await last_words.gets("/")).text
    frame = (await last_words.gets("/entries/?after=0")).text

    assert (polled["first_seq"], [entry["text"] for entry in polled["entries"]]) == (4, ["Tot morgen"])
    for text in (page, frame):
        assert "Tot morgen" in text
        assert "Ik ben bang" not in text


async def test_showing_the_last_words_does_not_take_them_away(site, last_words):
    for _ in range(2):
        assert "Tot morgen" in (await last_words.gets("/")).text
        assert [entry["text"] for entry in (await last_words.polls(after=0)).json()["entries"]] == ["Tot morgen"]


async def test_the_end_page_opens_only_the_end_page(site, last_words):
    assert (await last_words.writes("Hallo?")).json()["code"] == "ended"
    assert (await last_words.writes("Hallo?")).status_code == 409


async def test_whoever_ended_it_is_shown_nothing(site, employee, talk, chatter):
    await site.there_is(writes, talk, "Ik ben bang")
    await site.there_is(writes, talk, "Blijf nog even", author=Author.EMPLOYEE)
    chatter.line.says("end")
    await site.settled()

    line = await chatter.connects()
    page = (await chatter.gets("/")).text

    assert [frame["type"] for frame in line.frames] == ["welcome", "state"]
    assert (line.frames[0]["first_seq"], line.code) == (4, 1000)
    assert (await chatter.polls()).json()["entries"] == []
    assert "bang" not in page
    assert "Blijf" not in page


async def test_a_waiting_chat_can_be_ended_by_the_chatter(site, employee):
    conversation = await site.there_is(ConversationFactory, region=employee.who.region)
    chatter = Chatter(site).holds(conversation.secret)
    await chatter.connects()
    await employee.line.hears("queue")

    chatter.line.says("end")
    await chatter.line.hears("state", state="ended")
    await site.settled()

    assert employee.line.screen.queue[0] == []


async def test_after_the_end_the_same_browser_begins_a_new_conversation(site, employee, talk, chatter):
    await chatter.posts("/end/")

    answer = await chatter.starts(text="Nog iets")

    assert answer.status_code == 303
    assert (await chatter.connects()).frames[0]["conversation"] != str(talk.pk)

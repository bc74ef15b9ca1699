"""Process 1.2, step Closing time: a ladder from 16:40 to half an hour after closing, and nobody is left without a word."""

import json
import uuid
from datetime import time
from functools import partial

import pytest
from playwright.async_api import expect

from chat.models import Conversation
from chat.rules import Author
from config.watch import Watcher
from staffing.models import Watch
from tests.client import Chatter
from tests.factories import ConversationFactory, DutyFactory, EmployeeFactory, RegionFactory, writes

SOON = "De chat sluit om 17:00. Je kunt nu nog beginnen. We maken een gesprek altijd samen af."
LAST = "De chat sluit om 17:00. We doen ons best om je nog te helpen. Lukt dat niet? Bel dan 0800-2000, dag en nacht."
NEVER = "Het is niet gelukt om je te helpen. Dat spijt ons. Bel 0800-2000, dat kan dag en nacht."
THANKS = "Dank je wel dat je dit hebt verteld."


def words(page) -> str:
    """What somebody reads who cannot see how a telephone number is kept together."""
    return page.text.replace('<span class="number">', "").replace("</span>", "").replace("&#x27;", "'")


def thanks(page) -> bool:
    return '<p id="thanks">' in page.text


@pytest.fixture
async def region(site):
    return await site.there_is(RegionFactory, open=True)


@pytest.fixture
def watch(site):
    """`await watch("16:55")`: the watch's step at that time, as one of many all along, and everybody has heard what came of it."""
    watcher = Watcher()

    async def look_after(moment: str) -> None:
        at = site.clock.at(f"2026-11-24 {moment}")
        await site.there_is(Watch.objects.update, until_at=at)
        await site.there_is(watcher.look_after, at)
        await site.settled()

    return look_after


async def state(site, conversation) -> tuple[str, str]:
    found = await site.there_is(Conversation.objects.get, pk=conversation.pk)
    return found.state, found.end_kind


# ---------------------------------------------------------------- 16:40


async def test_from_16_40_the_start_page_says_how_long_there_still_is(site, region):
    site.clock.at("2026-11-24 16:39")
    before = words(await Chatter(site).gets("/"))
    site.clock.at("2026-11-24 16:40")
    from_then_on = words(await Chatter(site).gets("/"))
    site.clock.at("2026-11-24 16:59")
    last = words(await Chatter(site).gets("/"))

    assert "De chat is open tot 17:00." in before
    assert SOON not in before
    assert SOON in from_then_on
    assert SOON in last


async def test_a_line_that_closes_at_midnight_says_so_too(site):
    region = await site.there_is(RegionFactory, open=True)
    await site.there_is(region.opening_hours.update, closes=time(0))

    site.clock.at("2026-11-24 23:45")

    assert "De chat sluit om 00:00." in words(await Chatter(site).gets("/"))


# ---------------------------------------------------------------- 16:55


async def test_at_16_55_those_waiting_read_what_will_happen_on_every_kind_of_line(site, region, watch):
    site.clock.at("2026-11-24 16:50")
    socket, poll, form = [Chatter(site) for _ in range(3)]
    for chatter in (socket, poll, form):
        await chatter.starts(region=region.code)
    await socket.connects()

    await watch("16:54")
    assert socket.line.screen.texts == []
    for moment in ("16:55", "16:56"):
        await watch(moment)

    assert socket.line.screen.texts == [LAST]
    answer = (await poll.polls()).json()
    assert [(entry["kind"], entry["text"]) for entry in answer["entries"]] == [("notice", LAST)]
    assert words(await form.gets("/")).count(LAST) == 1
    assert words(await form.gets("/entries/?after=0")).count(LAST) == 1


async def test_at_16_55_a_poll_that_waits_is_answered_with_what_will_happen(site, region, watch):
    site.clock.at("2026-11-24 16:54:50")
    chatter = Chatter(site)
    await chatter.starts(region=region.code)
    poll = await chatter.begins_to_poll(wait=25)

    await watch("16:55")

    assert [entry["text"] for entry in (await poll).json()["entries"]] == [LAST]


async def test_who_comes_after_16_55_reads_it_too_and_who_talks_does_not(site, region, watch):
    site.clock.at("2026-11-24 16:54")
    talking = await site.there_is(ConversationFactory, region=region, held=True)
    await watch("16:55")

    late = await site.there_is(ConversationFactory, region=region)
    await watch("16:57")

    assert LAST in words(await Chatter(site).holds(late.secret).gets("/"))
    assert LAST not in words(await Chatter(site).holds(talking.secret).gets("/"))


# ---------------------------------------------------------------- 17:00


async def test_at_17_00_only_new_conversations_stop_and_running_and_waiting_ones_are_finished(site, region, watch):
    site.clock.at("2026-11-24 16:59")
    employee = await site.there_is(EmployeeFactory, region=region, on_duty=True)
    running = await site.there_is(ConversationFactory, region=region, held=employee)
    waiting = await site.there_is(ConversationFactory, region=region)
    talks, waits, late = Chatter(site).holds(running.secret), Chatter(site).holds(waiting.secret), Chatter(site)
    await late.gets("/")

    await watch("17:00")
    refused = await late.posts("/start/", {"text": "Ik ben bang"})

    assert refused.status_code == 503
    assert "Je kunt weer chatten morgen vanaf 09:00." in words(refused)
    assert (await talks.writes("Ik ben er nog")).json()["type"] == "ack"
    assert (await waits.writes("Ik ook")).json()["type"] == "ack"
    assert [await state(site, one) for one in (running, waiting)] == [("active", ""), ("waiting", "")]
    await site.there_is(partial(waiting.accept, by=employee, at=site.clock.now()))
    assert await state(site, waiting) == ("active", "")


# ---------------------------------------------------------------- half an hour after closing


async def test_who_still_waits_30_minutes_after_closing_with_nobody_available_is_ended_as_never_reached(site, region, watch):
    site.clock.at("2026-11-24 16:50")
    chatter = Chatter(site)
    await chatter.starts(region=region.code)
    conversation = await site.there_is(Conversation.objects.get)

    await watch("17:29")
    before = await state(site, conversation)
    await watch("17:30")

    assert before == ("waiting", "")
    assert await state(site, conversation) == ("ended", "never_reached")


async def test_who_is_given_up_is_told_so_on_every_kind_of_line_and_not_thanked(site, region, watch):
    site.clock.at("2026-11-24 16:58")
    socket, poll, form = [Chatter(site) for _ in range(3)]
    for chatter in (socket, poll, form):
        await chatter.starts(region=region.code)
    for moment in ("16:59", "17:15", "17:29:50"):
        await watch(moment)
        for chatter in (socket, poll, form):
            await chatter.gets("/")
    await socket.connects()

    await watch("17:30")

    assert socket.line.screen.texts[-1] == NEVER
    assert socket.line.frames[-1]["state"] == "ended"
    polled = (await poll.polls(after=1)).json()
    assert ([entry["text"] for entry in polled["entries"]], polled["state"]["state"]) == ([NEVER], "ended")
    framed, page = await form.gets("/entries/?after=1"), await form.gets("/")
    assert NEVER in words(framed)
    assert words(page).count(NEVER) == 1
    assert not thanks(page)


async def test_who_is_given_up_reads_it_on_the_page_that_stands_open_and_is_not_thanked(people):
    """The line's words come from this test, since half an hour of a running server is too long to wait for."""
    chatter, lines = await people.chatter(width=320), []

    def begins(line) -> None:
        lines.append(line)
        line.on_message(lambda said: answers(line) if json.loads(said)["type"] == "hello" else None)

    def answers(line) -> None:
        line.send(json.dumps({"type": "welcome", "conversation": str(uuid.uuid4()), "state": "waiting", "first_seq": 1, "last_seq": 0}))
        line.send(json.dumps({"type": "state", "state": "waiting", "position": 1, "employee": None, "peer": None}))

    await chatter.page.route_web_socket("**/ws/chatter/", begins)
    await chatter.starts("Vergeefs")
    await chatter.is_told("Je bent de eerste die aan de beurt is.")

    said = {"id": str(uuid.uuid4()), "kind": "notice", "author": "system", "name": "", "text": NEVER, "at": "2026-11-24T16:30:00Z"}
    lines[-1].send(json.dumps({"type": "entry", "seq": 1, **said}))
    lines[-1].send(json.dumps({"type": "state", "state": "ended", "position": None, "employee": None, "peer": None}))

    await chatter.sees_the_end()
    await chatter.reads(NEVER)
    await expect(chatter.page.get_by_text(NEVER)).to_have_count(1)
    await expect(chatter.page.get_by_text(THANKS)).to_be_hidden()


async def test_nobody_is_given_up_while_somebody_is_available(site, region, watch):
    site.clock.at("2026-11-24 16:58")
    conversation = await site.there_is(ConversationFactory, region=region)

    site.clock.at("2026-11-24 17:45")
    await site.there_is(lambda: DutyFactory(employee=EmployeeFactory(region=region)))
    await watch("17:45")

    assert await state(site, conversation) == ("waiting", "")


async def test_a_conversation_that_lost_its_employee_after_closing_is_told_so_and_not_thanked(site, region, watch):
    site.clock.at("2026-11-24 16:58")
    conversation = await site.there_is(ConversationFactory, region=region, held=True)
    chatter = Chatter(site).holds(conversation.secret)
    for moment in ("17:10", "17:10:10", "17:10:31"):
        await watch(moment)
    assert "Er komt zo een collega. Je kunt alvast iets typen." in words(await chatter.gets("/"))

    for moment in ("17:40:29", "17:41"):
        await chatter.gets("/")
        await watch(moment)

    page = await chatter.gets("/")
    assert await state(site, conversation) == ("ended", "line_lost_ours")
    assert words(page).count(NEVER) == 1
    assert not thanks(page)


# ---------------------------------------------------------------- what the last page says


async def test_who_stops_while_still_waiting_is_not_thanked_by_the_page_that_stands_open(people):
    chatter = await people.chatter()
    await chatter.starts("Toch niet")

    await chatter.stops()

    await expect(chatter.page.get_by_text(THANKS)).to_be_hidden()
    await expect(chatter.page.get_by_text("Je mag altijd terugkomen.")).to_be_visible()


async def test_who_stops_while_still_waiting_is_not_thanked_for_telling(site, region):
    chatter = Chatter(site)
    await chatter.starts(region=region.code)

    await chatter.posts("/end/")
    page = await chatter.gets("/")

    assert "Het gesprek is klaar." in page.text
    assert not thanks(page)
    assert NEVER not in words(page)


async def test_who_talked_is_thanked_whoever_ended_it(site, region):
    employee = await site.there_is(EmployeeFactory, region=region, on_duty=True)
    stopped, ended = [await site.there_is(ConversationFactory, region=region, held=employee) for _ in range(2)]
    await site.there_is(writes, ended, "Tot ziens")

    await Chatter(site).holds(stopped.secret).posts("/end/")
    await site.there_is(partial(ended.end, by=Author.EMPLOYEE, employee=employee, at=site.clock.now()))

    for conversation in (stopped, ended):
        assert thanks(await Chatter(site).holds(conversation.secret).gets("/"))

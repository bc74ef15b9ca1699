"""Heartbeats, and what each side knows of the other: connected is a matter of time, never of a socket (P6)."""

import asyncio
import threading

import pytest

from chat import entries
from staffing.models import Duty
from tests.client import PATIENCE, Chatter, Employee, give_way
from tests.factories import ConversationFactory, EmployeeFactory

# ---------------------------------------------------------------- the heartbeat


async def test_the_server_says_pong_unasked_every_12_seconds_with_the_last_number(site, employee, talk, chatter):
    await site.passes(seconds=12)  # each line's heartbeat has begun
    for line in (chatter.line, employee.line):
        line.take()

    await site.passes(seconds=36)

    assert chatter.line.take("state") == [{"type": "pong", "last_seq": 1}] * 3
    assert employee.line.take("queue", "state", "duty") == [{"type": "pong", "last_seq": {str(talk.pk): 1}}] * 3


async def test_nobody_hears_a_heartbeat_before_hello(site, talk):
    line = await Chatter(site).holds(talk.secret).opens("/ws/chatter/")

    await site.passes(seconds=24)

    assert line.frames == []


async def test_a_client_that_doubts_asks_for_a_pong_itself(site, employee, chatter):
    chatter.line.says("ping", now=True)

    assert await chatter.line.hears("pong", last_seq=1)


# ---------------------------------------------------------------- the chatter, as the employee sees it


async def test_a_chatter_who_is_silent_for_30_seconds_is_lost_and_with_the_first_frame_here_again(site, employee, talk, chatter):
    chatter.line.falls_silent()
    await site.passes(seconds=29)
    assert employee.line.screen.states[str(talk.pk)]["peer"] == "here"

    await site.passes(seconds=2)
    assert employee.line.screen.states[str(talk.pk)]["peer"] == "lost"

    chatter.line.says("ping")
    await site.passes(seconds=5)
    assert employee.line.screen.states[str(talk.pk)]["peer"] == "here"


async def test_a_socket_that_closes_changes_nothing_by_itself(site, employee, talk, chatter):
    await chatter.line.hangs_up()

    await site.passes(seconds=27)

    assert employee.line.screen.states[str(talk.pk)]["peer"] == "here"


async def test_a_frame_that_cannot_be_read_is_a_sign_of_life_too(site, employee, talk, chatter):
    chatter.line.falls_silent()
    await site.passes(seconds=20)

    chatter.line.says_raw("{")
    await site.passes(seconds=20)

    assert employee.line.screen.states[str(talk.pk)]["peer"] == "here"


async def test_whoever_goes_on_by_plain_forms_is_here(site, employee, talk, chatter):
    await chatter.line.hangs_up()
    for _ in range(3):
        await site.passes(seconds=20)
        await chatter.gets("/")

    assert employee.line.screen.states[str(talk.pk)]["peer"] == "here"


# ---------------------------------------------------------------- the employee


async def test_the_chatter_reads_after_30_seconds_that_the_employees_line_is_lost_and_when_it_is_back(site, employee, talk, chatter):
    employee.line.falls_silent()
    await site.passes(seconds=36)
    lost = chatter.line.screen.states[""]

    employee.line.says("ping")
    await site.passes(seconds=5)

    assert lost == {"state": "active", "position": None, "employee": "Ans", "peer": "lost"}
    assert chatter.line.screen.states[""]["peer"] == "here"


async def test_loading_pages_does_not_make_an_employee_available(site, employee, talk, chatter):
    employee.line.falls_silent()
    for _ in range(4):
        await site.passes(seconds=10)
        assert (await employee.gets("/staff/")).status_code == 200

    assert chatter.line.screen.states[""]["peer"] == "lost"


async def test_an_employee_whose_connection_goes_stays_on_duty(site, employee, talk):
    await employee.line.hangs_up()
    await site.passes(minutes=2)

    assert (await site.there_is(Duty.objects.running().get)).employee_id == employee.who.pk


async def test_a_chat_whose_region_falls_silent_goes_out_to_the_others_at_that_moment(site, employee):
    elsewhere = await Employee(site).logs_in(await site.there_is(EmployeeFactory, on_duty=True))
    line = await elsewhere.connects()
    await site.there_is(ConversationFactory, region=employee.who.region)
    await site.settled()
    assert line.screen.queue[0] == []

    employee.line.falls_silent()
    await site.passes(seconds=40)

    assert [chat["offer"] for chat in line.screen.queue[0]] == ["overflow"]


async def test_going_on_duty_with_an_open_line_makes_available_at_once(site):
    late = await Employee(site).logs_in(await site.there_is(EmployeeFactory))
    line = await late.connects()
    await site.there_is(ConversationFactory, region=late.who.region)
    assert (line.screen.duty["on_duty"], line.screen.queue[0]) == (False, [])

    assert (await late.posts("/staff/duty/start/")).status_code == 204
    await site.settled()

    assert line.screen.duty["on_duty"]
    assert [chat["offer"] for chat in line.screen.queue[0]] == ["own"]


# ---------------------------------------------------------------- typing and reading


@pytest.mark.hints
async def test_who_types_while_the_other_side_still_reads_what_came_before_is_seen_typing_after_it(
    site, employee, chatter, talk, monkeypatch
):
    reading, may_read = threading.Event(), threading.Event()

    def slowly(*what):
        reading.set()
        assert may_read.wait(PATIENCE)
        return after(*what)

    after = entries.after
    monkeypatch.setattr(entries, "after", slowly)
    line = await employee.opens("/ws/staff/")
    line.says("hello", after={})
    await asyncio.to_thread(reading.wait, PATIENCE)

    chatter.line.says("typing")
    while chatter.line._said.qsize():
        await give_way()
    may_read.set()
    await line.hears("typing", conversation=str(talk.pk), author="chatter")

    kinds = [frame["type"] for frame in line.frames if frame["type"] in ("welcome", "entry", "typing", "state")]
    assert kinds == ["welcome", "entry", "typing", "state"]


@pytest.mark.hints
async def test_typing_is_passed_on_to_the_other_side_at_most_every_3_seconds(site, employee, talk, chatter):
    second_tab = await chatter.opens("/ws/chatter/")
    second_tab.says("hello", after=1)
    await second_tab.hears("state")
    for line in (chatter.line, second_tab, employee.line):
        line.take()

    for seconds in (0, 1, 1, 1):
        site.clock.forward(seconds=seconds)
        chatter.line.says("typing")
        await site.settled()

    assert employee.line.take("queue") == [{"type": "typing", "conversation": str(talk.pk), "author": "chatter"}] * 2
    assert chatter.line.take() == second_tab.take() == []


@pytest.mark.hints
async def test_the_chatter_sees_that_the_employee_types(site, employee, talk, chatter):
    employee.line.says("typing", conversation=talk.pk)

    assert await chatter.line.hears("typing") == {"type": "typing", "author": "employee"}


async def test_what_has_been_shown_is_told_and_kept(site, employee, talk, chatter):
    chatter.line.says("read", seq=1)
    told = await employee.line.hears("read")
    await site.passes(seconds=1)
    reloaded = await employee.connects()

    assert told == {"type": "read", "conversation": str(talk.pk), "author": "chatter", "seq": 1}
    assert reloaded.screen.reads == {str(talk.pk): 1}


@pytest.mark.parametrize("seq", [0, 2, 9_000])
async def test_what_is_not_in_the_log_has_not_been_shown(site, employee, talk, chatter, seq):
    line = await chatter.connects(after=9_000)
    line.says("read", seq=seq)
    await site.passes(seconds=5)

    assert employee.line.screen.reads == {}
    assert (await employee.connects()).screen.reads == {}


async def test_reading_never_goes_back(site, employee, talk, chatter):
    for text in ("een", "twee"):
        chatter.line.sends(text)
    await site.settled()

    for seq in (3, 1, 2):
        chatter.line.says("read", seq=seq)
    await site.passes(seconds=5)

    reads = [frame["seq"] for frame in employee.line.frames if frame["type"] == "read"]
    assert (reads, reads[-1]) == (sorted(set(reads)), 3)
    assert (await employee.connects()).screen.reads == {str(talk.pk): 3}


async def test_what_was_shown_to_a_page_without_script_is_told_too(site, employee, talk, chatter):
    await chatter.line.hangs_up()
    await chatter.gets("/")
    await site.passes(seconds=5)

    assert employee.line.screen.reads == {str(talk.pk): 1}

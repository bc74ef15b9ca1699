"""The table of process 1.2 from Start chat to Closing time, through the real doors: one test for each rule, by its name."""

from collections.abc import Awaitable, Callable

import pytest

from config.watch import Watcher
from tests.client import Chatter, Employee
from tests.factories import ConversationFactory, EmployeeFactory, RegionFactory
from tests.protocol.test_queue import at_work, waiting


@pytest.fixture
def watched(site) -> Callable[[], Awaitable[None]]:
    """`await watched()`: the watch has looked after the line, and everybody has heard what came of it."""
    watcher = Watcher()

    async def look_after() -> None:
        await site.there_is(watcher.look_after, site.clock.now())
        await site.settled()

    return look_after


def alarms(employee: Employee) -> list[str]:
    """The kinds that stand on this screen now."""
    last = [frame for frame in employee.line.frames if frame["type"] == "alarms"][-1]
    return [alarm["kind"] for alarm in last["standing"]]


async def test_start_chat_the_line_is_open_on_working_days_from_09_00_to_17_00(site):
    region = await site.there_is(RegionFactory, open=True)

    async def answers(moment: str) -> int:
        site.clock.at(moment)
        return (await Chatter(site).starts(region=region.code)).status_code

    found = [await answers(f"2026-11-24 {time}") for time in ("08:59:59", "09:00", "16:59:59", "17:00")]

    assert found == [503, 303, 303, 503]
    assert [await answers(f"{day} 12:00") for day in ("2026-11-27", "2026-11-28", "2026-12-25")] == [303, 503, 503]


async def test_start_chat_the_employee_with_chat_duty_is_logged_in_by_09_00_at_the_latest(site, watched):
    region = await site.there_is(RegionFactory, open=True)
    employee = await Employee(site).logs_in(await site.there_is(EmployeeFactory, region=region))
    site.clock.at("2026-11-24 08:29:59")
    too_early = await employee.posts("/staff/duty/start/", script=True)
    site.clock.at("2026-11-24 09:00")
    await employee.connects()
    await watched()
    nobody_there = alarms(employee)
    in_time = await employee.posts("/staff/duty/start/", script=True)
    await site.passes(seconds=5)
    await watched()
    await site.passes(seconds=5)  # a hint may be lost

    assert (too_early.status_code, too_early.json()["code"]) == (409, "too_early")
    assert nobody_there == ["nobody_on_duty"]
    assert in_time.status_code == 204
    assert alarms(employee) == []


async def test_handover_the_colleague_logs_out_only_once_the_other_is_logged_in(site):
    region = await site.there_is(RegionFactory, open=True)
    first = await at_work(site, region=region)
    alone = await first.posts("/staff/logout/", script=True)
    other = await Employee(site).logs_in(await site.there_is(EmployeeFactory, region=region))
    await other.posts("/staff/duty/start/", script=True)
    on_duty_but_not_there = await first.posts("/staff/logout/", script=True)
    await other.connects()
    await site.settled()

    relieved = await first.posts("/staff/logout/", script=True)

    assert [answer.status_code for answer in (alone, on_duty_but_not_there, relieved)] == [409, 409, 302]
    assert [answer.json()["code"] for answer in (alone, on_duty_but_not_there)] == ["last_one", "last_one"]


async def test_accept_the_employee_accepts_every_chat_from_the_own_region(site):
    region = await site.there_is(RegionFactory, open=True)
    employee = await at_work(site, region=region, maximum=1)
    chats = [await site.there_is(ConversationFactory, region=region) for _ in range(3)]
    await site.settled()

    assert [why for _, why in waiting(employee)] == ["own"] * 3
    for chat in chats:
        await employee.accepts(chat)
    await site.settled()
    assert employee.line.screen.queue == ([], 0)


async def test_accept_other_regions_what_their_own_region_does_not_pick_up_is_taken_over_when_there_is_room(site):
    theirs, ours = [await site.there_is(RegionFactory, open=True) for _ in range(2)]
    own = await at_work(site, region=theirs)
    with_room, without_room = await at_work(site, region=ours, maximum=1), await at_work(site, region=ours, maximum=0)
    chat = await site.there_is(ConversationFactory, region=theirs)
    await site.settled()
    at_once = [waiting(employee) for employee in (own, with_room, without_room)]

    await site.passes(seconds=90)

    assert at_once == [[(str(chat.pk), "own")], [], []]
    assert [waiting(employee) for employee in (own, with_room, without_room)] == [[(str(chat.pk), "own")], [(str(chat.pk), "overflow")], []]
    await with_room.accepts(chat)


async def test_closing_time_at_17_00_only_new_conversations_stop_running_and_waiting_ones_are_finished(site):
    region = await site.there_is(RegionFactory, open=True)
    site.clock.at("2026-11-24 16:50")
    employee = await at_work(site, region=region)
    running = await site.there_is(ConversationFactory, region=region, held=employee.who)
    waits = await site.there_is(ConversationFactory, region=region)
    await site.settled()
    talks = Chatter(site).holds(running.secret)
    await talks.connects()

    await site.passes(minutes=10)
    new = await Chatter(site).starts(region=region.code)
    talks.line.sends("Mag ik nog iets vragen?")
    await site.settled()

    assert new.status_code == 503
    assert employee.line.screen.texts[-1] == "Mag ik nog iets vragen?"
    await employee.accepts(waits)

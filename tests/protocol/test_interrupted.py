"""A running conversation whose employee is gone: offered again, ahead of all new ones (design, Being there; P7, P8, P9)."""

from typing import Any

import pytest
from django.utils.translation import gettext, override

from chat import handover, hints, presence
from chat.rules import Author
from tests.client import Chatter, Employee
from tests.factories import ConversationFactory, RegionFactory, writes
from tests.protocol.test_queue import at_work, region_of, waiting

NOBODY = {"state": "active", "position": None, "employee": None, "peer": None}


@pytest.fixture
async def bo(site, employee) -> Employee:
    """A colleague of Ans."""
    return await at_work(site, region=await region_of(employee), name="Bo")


async def is_watched(site) -> None:
    """What the watch does with conversations, once."""

    def look_after() -> None:
        presence.flush()
        handover.look_after(site.clock.now(), blind=False)
        hints.changed()

    await site.there_is(look_after)
    await site.settled()


async def vanishes(employee: Employee) -> None:
    """Heard just now, and from now on no more."""
    employee.line.says("ping")
    await employee.site.quiet()
    employee.line.falls_silent()


async def is_gone(employee: Employee) -> None:
    """Gone for 60 s, and noticed."""
    await vanishes(employee)
    await employee.site.passes(seconds=60)
    await is_watched(employee.site)


def standing(employee: Employee) -> list[dict[str, Any]]:
    return [frame for frame in employee.line.frames if frame["type"] == "alarms"][-1]["standing"]


# ---------------------------------------------------------------- gone


async def test_lost_after_30_seconds_and_offered_again_after_60_ahead_of_all_new_ones(site, employee, talk, chatter, bo):
    new = await site.there_is(ConversationFactory, region=talk.region)
    await vanishes(employee)

    await site.passes(seconds=29)
    assert chatter.line.screen.states[""]["peer"] == "here"
    await site.passes(seconds=3)
    assert chatter.line.screen.states[""] == {"state": "active", "position": None, "employee": "Ans", "peer": "lost"}
    await site.passes(seconds=27)
    await site.there_is(handover.look_after, site.clock.now(), blind=False)
    assert waiting(bo) == [(str(new.pk), "own")]

    await site.passes(seconds=1)
    moment = site.moment
    await is_watched(site)

    assert chatter.line.screen.states[""] == NOBODY
    assert waiting(bo) == [(str(talk.pk), "interrupted"), (str(new.pk), "own")]
    first = bo.line.screen.queue[0][0]
    assert (first["since"], first["nickname"], first["peer"]) == (moment, "Zij", "here")
    assert "note" not in first
    assert "Ans" in chatter.line.screen.texts[-1]  # the connection with Ans is gone, a colleague comes


async def test_what_is_interrupted_is_offered_at_once_in_both_regions_and_to_others_as_overflow(site, employee):
    """Of the region where it comes from, and of the lost employee's."""
    region = await site.there_is(RegionFactory, open=True)
    held = await site.there_is(ConversationFactory, region=region, held=employee.who)
    full = {"maximum": 0}
    of_its_region = await at_work(site, region=region, **full)
    of_theirs = await at_work(site, region=await region_of(employee), **full)
    with_room, without = await at_work(site), await at_work(site, **full)

    await is_gone(employee)
    at_once = [waiting(who) for who in (of_its_region, of_theirs, with_room, without)]
    await site.passes(seconds=90)

    assert at_once == [[(str(held.pk), "interrupted")]] * 2 + [[]] * 2
    assert waiting(with_room) == [(str(held.pk), "interrupted")]
    assert waiting(without) == []


async def test_what_is_interrupted_goes_to_others_at_once_when_nobody_of_both_regions_is_there(site, employee, talk):
    other = await at_work(site)

    await is_gone(employee)

    assert waiting(other) == [(str(talk.pk), "interrupted")]


async def test_who_is_on_the_telephone_is_offered_what_is_interrupted(site, employee, talk, bo):
    bo.line.says("phone", busy=True)

    await is_gone(employee)

    assert waiting(bo) == [(str(talk.pk), "interrupted")]


async def test_a_blink_costs_nothing(site, employee, talk, chatter):
    for _ in range(3):
        await vanishes(employee)
        await site.passes(seconds=40)
        await is_watched(site)

    assert chatter.line.screen.states[""]["employee"] == "Ans"
    assert len(chatter.line.screen.texts) == 1


# ---------------------------------------------------------------- taken over


async def test_who_takes_over_gets_the_whole_log_under_a_higher_assignment_and_the_chatter_reads_who(site, employee, talk, chatter, bo):
    chatter.line.sends("Hoi")
    await site.settled()
    await is_gone(employee)
    chatter.line.sends("Ben je er nog?")
    await site.settled()

    welcome = await bo.accepts(talk)
    await site.settled()

    assert (welcome["assignment"], welcome["state"]) == (3, "active")
    assert bo.line.screen.texts == chatter.line.screen.texts
    assert "Ben je er nog?" in bo.line.screen.texts
    assert "Bo" in chatter.line.screen.texts[-1]
    assert chatter.line.screen.states[""] == {"state": "active", "position": None, "employee": "Bo", "peer": "here"}


async def test_who_comes_back_does_not_get_it_back_silently(site, employee, talk, bo):
    line = employee.line
    await is_gone(employee)
    on_the_open_line = await line.hears("gone")
    before = await employee.connects({talk.pk: 1})
    await bo.accepts(talk)
    after = await employee.connects({talk.pk: 1})
    after.says("send", conversation=talk.pk, id=talk.pk, text="Dag")
    await site.settled()

    assert (on_the_open_line["conversation"], on_the_open_line["reason"]) == (str(talk.pk), "requeued")
    assert [frame["reason"] for frame in before.frames if frame["type"] == "gone"] == ["requeued"]
    assert [frame["reason"] for frame in after.frames if frame["type"] == "gone"] == ["transferred"]
    assert [frame["code"] for frame in after.frames if frame["type"] == "refused"] == ["not_found"]
    assert after.screen.logs == before.screen.logs == {}


async def test_the_same_employee_may_take_it_again_and_the_chatter_reads_it(site, employee, talk, chatter):
    await is_gone(employee)
    employee.line.answers_pongs = True
    employee.line.says("ping")
    await site.settled()
    assert waiting(employee) == [(str(talk.pk), "interrupted")]
    employee.line.take()

    welcome = await employee.accepts(talk)
    await site.settled()

    with override("nl"):
        assert chatter.line.screen.texts[-1] == gettext("{name} is back.").format(name="Ans")
    assert welcome["assignment"] == 3
    assert employee.line.screen.texts == chatter.line.screen.texts
    assert chatter.line.screen.states[""]["employee"] == "Ans"


async def test_from_ans_to_bo_who_vanishes_and_back_the_old_frames_of_ans_are_refused(site, employee, talk, chatter, bo):
    """P8: A to B to A with B vanishing."""
    employee.line.says("transfer", conversation=talk.pk, to=bo.who.pk, note="")
    await site.settled()
    await bo.accepts(talk)
    await is_gone(bo)
    employee.line.take()
    welcome = await employee.accepts(talk)
    await site.settled()
    employee.line.take()

    for kind, fields in (("send", {"id": talk.pk, "text": "van toen"}), ("end", {}), ("transfer", {"to": bo.who.pk, "note": ""})):
        for assignment in (1, 2, 3):
            employee.line.says(kind, conversation=talk.pk, assignment=assignment, **fields)
            assert (await employee.line.hears("refused"))["code"] == "not_allowed"
    employee.line.sends("van nu", conversation=talk.pk, assignment=welcome["assignment"])
    bo.line.says("ping")
    bo.line.says("send", conversation=talk.pk, id=talk.pk, text="van Bo")
    await site.settled()

    assert welcome["assignment"] == 4
    assert chatter.line.screen.texts[-1] == "van nu"
    assert chatter.line.screen.states[""]["state"] == "active"
    assert [frame["reason"] for frame in bo.line.frames if frame["type"] == "gone"] == ["requeued"]
    assert [frame["code"] for frame in bo.line.frames if frame["type"] == "refused"] == ["not_found"]
    returned = await bo.connects({talk.pk: 1})
    assert [frame["reason"] for frame in returned.frames if frame["type"] == "gone"] == ["transferred"]


async def test_what_ends_while_nobody_holds_it_comes_to_who_was_in_it_last_to_be_registered(site, employee, talk, chatter):
    """P11."""
    await is_gone(employee)

    chatter.line.says("end")
    await site.settled()
    line = await employee.connects()

    assert (line.screen.states[str(talk.pk)]["state"], waiting(employee)) == ("ended", [])


async def test_without_anybody_the_chatter_writes_on_and_nothing_is_lost(site, employee, talk, chatter):
    await is_gone(employee)

    chatter.line.sends("Is daar iemand?")
    await chatter.line.hears("ack")
    poller = Chatter(site).holds(talk.secret)
    polled = (await poller.polls()).json()

    assert polled["state"] == NOBODY
    assert polled["entries"][-1]["text"] == "Is daar iemand?"


async def test_what_was_written_meanwhile_in_another_process_is_in_the_welcome_too(site, employee, talk, bo):
    await is_gone(employee)
    await site.there_is(writes, talk, "van elders", author=Author.CHATTER, told=False)

    await bo.accepts(talk)
    await site.settled()

    assert "van elders" in bo.line.screen.texts


# ---------------------------------------------------------------- alarms


async def test_an_interruption_is_an_alarm_on_every_screen_of_its_region_until_somebody_has_it(site, employee, talk, bo):
    other = await at_work(site)

    await is_gone(employee)

    (alarm,) = standing(bo)
    expected = {"kind": "interrupted", "region": talk.region.code, "since": alarm["since"], "taken_by": None, "about": "Ans"}
    assert {name: alarm[name] for name in expected} == expected
    assert alarm["conversation"] == str(talk.pk)
    assert standing(employee) == [alarm]
    assert standing(other) == []

    await bo.accepts(talk)
    await is_watched(site)
    assert standing(bo) == []


async def test_the_first_who_takes_an_alarm_has_it_and_another_region_does_not_find_it(site, employee, talk, bo):
    cas, other = await at_work(site, region=talk.region, name="Cas"), await at_work(site)
    await is_gone(employee)
    (alarm,) = standing(bo)

    for who in (other, bo, cas):
        who.line.take()
        who.line.says("take_alarm", alarm=alarm["alarm"])
        await site.settled()

    assert [one["taken_by"] for who in (bo, cas) for one in standing(who)] == ["Bo", "Bo"]
    assert [frame["code"] for frame in other.line.take() if frame["type"] == "refused"] == ["not_found"]
    assert [frame for who in (bo, cas) for frame in who.line.frames if frame["type"] == "refused"] == []


async def test_that_nobody_watches_is_said_on_every_screen_and_cannot_be_taken(site, employee):
    await site.passes(seconds=96)

    (alarm,) = standing(employee)
    employee.line.says("take_alarm", alarm=alarm["alarm"])

    assert (alarm["alarm"], alarm["kind"]) == ("not-watched", "watch_dead")
    assert (await employee.line.hears("refused"))["code"] == "not_allowed"


async def test_a_chat_that_nobody_is_offered_is_an_alarm_until_somebody_comes_on_duty(site, employee):
    """P7."""
    employee.line.says("phone", busy=True)
    region = await site.there_is(RegionFactory, open=True)
    late = await Employee(site).logs_in(await site.there_is(make_employee, region))
    await late.connects()
    chat = await site.there_is(ConversationFactory, region=region)

    await is_watched(site)
    (alarm,) = standing(late)
    assert (alarm["kind"], alarm["conversation"]) == ("waiting_offered_to_nobody", str(chat.pk))
    assert standing(employee) == []

    assert (await late.posts("/staff/duty/start/")).status_code == 204
    await site.settled()
    await is_watched(site)
    assert waiting(late) == [(str(chat.pk), "own")]
    assert standing(late) == []


def make_employee(region: Any) -> Any:
    from tests.factories import EmployeeFactory

    return EmployeeFactory(region=region)

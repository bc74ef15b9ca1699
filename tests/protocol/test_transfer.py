"""Passing one conversation on: it stays with its giver until the colleague has accepted (process 1.2, step Handover; P8, P9)."""

import json
from typing import Any

import pytest

from chat import queue
from chat.rules import Author
from staffing.models import Duty
from tests.client import Employee
from tests.factories import ConversationFactory, EmployeeFactory
from tests.protocol.test_queue import at_work, region_of, waiting
from tests.protocol.test_rights import RIGHT_ENDS

WORD = "Let op: zij wil niet gebeld worden"


@pytest.fixture
async def bo(site, employee) -> Employee:
    """A colleague of Ans."""
    return await at_work(site, region=await region_of(employee), name="Bo")


@pytest.fixture
async def cas(site, employee) -> Employee:
    """Another one."""
    return await at_work(site, region=await region_of(employee), name="Cas")


async def passes_on(employee: Employee, conversation: Any, to: Employee, note: str = WORD, **fields: Any) -> None:
    employee.line.says("transfer", conversation=conversation.pk, to=to.who.pk, note=note, **fields)
    await employee.site.settled()


def refused(employee: Employee) -> list[str]:
    return [frame["code"] for frame in employee.line.take() if frame["type"] == "refused"]


async def test_a_transfer_is_offered_to_that_colleague_alone_with_a_word_for_that_colleague_alone(site, employee, talk, chatter, bo, cas):
    await passes_on(employee, talk, bo)

    (line,) = bo.line.screen.queue[0]
    assert (line["conversation"], line["offer"], line["note"], line["since"]) == (str(talk.pk), "transfer", WORD, line["since"])
    assert waiting(cas) == waiting(employee) == []
    for other in (employee, cas, chatter):
        assert WORD not in json.dumps(other.line.frames, ensure_ascii=False)


async def test_until_the_colleague_has_accepted_the_giver_holds_it_and_writes(site, employee, talk, chatter, bo):
    await passes_on(employee, talk, bo)
    state = [frame for frame in employee.line.frames if frame["type"] == "state"][-1]
    employee.line.sends("Ik blijf nog even", conversation=talk.pk, assignment=1)
    bo.line.says("send", conversation=talk.pk, id=talk.pk, text="Dag")
    await site.settled()

    assert (state["state"], state["employee"], state["offered_to"]) == ("active", "Ans", bo.who.pk)
    assert chatter.line.screen.texts[-1] == "Ik blijf nog even"
    assert "Ans" in chatter.line.screen.texts[-2]  # passes it on
    assert chatter.line.screen.states[""] == {"state": "active", "position": None, "employee": "Ans", "peer": "here"}
    assert refused(bo) == ["not_found"]


async def test_who_accepts_gets_the_whole_log_and_the_word_and_the_giver_has_it_no_longer(site, employee, talk, chatter, bo):
    chatter.line.sends("Hoi")
    await passes_on(employee, talk, bo)

    welcome = await bo.accepts(talk)
    await site.settled()
    gone = await employee.line.hears("gone")
    employee.line.says("send", conversation=talk.pk, id=talk.pk, text="Nog iets")
    await site.settled()

    assert (welcome["assignment"], welcome["note"], welcome["state"]) == (2, WORD, "active")
    assert bo.line.screen.texts == chatter.line.screen.texts
    assert (gone["conversation"], gone["reason"]) == (str(talk.pk), "transferred")
    assert refused(employee) == ["not_found"]
    assert "Bo" in chatter.line.screen.texts[-1]
    assert chatter.line.screen.states[""] == {"state": "active", "position": None, "employee": "Bo", "peer": "here"}
    assert waiting(bo) == []


async def test_the_word_is_there_again_after_a_reload_and_not_for_the_next_one(site, employee, talk, bo, cas):
    await passes_on(employee, talk, bo)
    await bo.accepts(talk)
    reloaded = await bo.connects()
    await passes_on(bo, talk, cas, note="")
    welcome = await cas.accepts(talk)

    assert next(frame for frame in reloaded.frames if frame["type"] == "welcome")["note"] == WORD
    assert "note" not in welcome


async def test_it_can_be_passed_on_to_another_when_the_first_does_not_come(site, employee, talk, bo, cas):
    await passes_on(employee, talk, bo)
    await passes_on(employee, talk, cas, note="")

    assert waiting(bo) == []
    assert waiting(cas) == [(str(talk.pk), "transfer")]
    bo.line.says("accept", conversation=talk.pk)
    assert (await bo.line.hears("refused"))["code"] == "already_accepted"


async def test_what_was_passed_on_to_somebody_who_goes_off_duty_stays_with_its_giver(site, employee, talk, bo):
    await passes_on(employee, talk, bo)

    assert (await bo.posts("/staff/duty/end/")).status_code == 204
    await site.settled()

    assert waiting(bo) == []
    bo.line.says("accept", conversation=talk.pk)
    assert (await bo.line.hears("refused"))["code"] == "not_on_duty"
    employee.line.sends("Ik ben er nog", conversation=talk.pk, assignment=1)
    assert await employee.line.hears("ack")


async def somebody_else(site, employee: Employee, who: str) -> int:
    match who:
        case "oneself":
            return employee.who.pk
        case "somebody off duty":
            return (await site.there_is(EmployeeFactory, region=await region_of(employee))).pk
        case "somebody of another region":
            return (await site.there_is(EmployeeFactory, on_duty=True)).pk
    return 2**53


@pytest.mark.parametrize("who", ["oneself", "somebody off duty", "somebody of another region", "nobody"])
async def test_a_conversation_is_passed_on_to_a_colleague_on_duty_only(site, employee, talk, chatter, who):
    employee.line.says("transfer", conversation=talk.pk, to=await somebody_else(site, employee, who), note=WORD)

    assert (await employee.line.hears("refused", conversation=str(talk.pk)))["code"] == "not_allowed"
    await site.settled()
    assert len(chatter.line.screen.texts) == 1


async def test_a_conversation_of_another_region_may_go_back_to_somebody_there(site, employee):
    """Design, Accept, other regions: whoever helps out passes it on to who is at home in it."""
    other = await at_work(site, name="Bo")
    theirs = await site.there_is(ConversationFactory, region=await region_of(other))
    await site.passes(seconds=90)
    await employee.accepts(theirs)

    await passes_on(employee, theirs, other)

    assert waiting(other) == [(str(theirs.pk), "transfer")]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"note": "a" * 4_001}, "too_long"),
        ({"note": "\0"}, "bad_frame"),
        ({"note": 3}, "bad_frame"),
        ({"to": "Bo"}, "bad_frame"),
        ({"assignment": 0}, "not_allowed"),
    ],
)
async def test_a_transfer_that_cannot_be_is_refused(site, employee, talk, bo, fields, code):
    employee.line.says("transfer", **{"conversation": talk.pk, "to": bo.who.pk, "note": ""} | fields)

    assert (await employee.line.hears("refused", conversation=str(talk.pk)))["code"] == code
    await site.settled()
    assert waiting(bo) == []


async def test_what_is_over_is_not_passed_on(site, employee, talk, bo):
    await site.there_is(talk.end, by=Author.CHATTER, at=site.clock.now())
    await site.settled()

    await passes_on(employee, talk, bo)

    assert refused(employee) == ["ended"]


async def test_an_offer_is_over_when_the_conversation_is(site, employee, talk, chatter, bo):
    await passes_on(employee, talk, bo)

    chatter.line.says("end")
    await site.settled()

    assert waiting(bo) == []
    assert "offered_to" not in [frame for frame in employee.line.frames if frame["type"] == "state"][-1]


@pytest.mark.parametrize("how", RIGHT_ENDS)
async def test_a_transfer_looks_at_the_right_anew(site, employee, talk, bo, how):
    """S3: Channels keeps the user object of the connect."""
    await site.there_is(RIGHT_ENDS[how], employee.who)

    employee.line.says("transfer", conversation=talk.pk, to=bo.who.pk, note="")

    assert (await employee.line.hears("refused"))["code"] == "not_allowed"


# ---------------------------------------------------------------- leaving duty well


async def test_the_colleague_logs_out_only_once_the_other_is_logged_in_so_that_no_chat_is_lost(site, employee):
    alone = await employee.posts("/staff/logout/", script=True)
    bo = await at_work(site, region=await region_of(employee))
    bo.line.falls_silent()
    await site.passes(seconds=45)
    on_duty_and_gone = await employee.posts("/staff/logout/", script=True)
    bo.line.says("ping")
    await site.passes(seconds=5)

    assert (alone.status_code, alone.json()["code"]) == (409, "last_one")
    assert (on_duty_and_gone.status_code, on_duty_and_gone.json()["code"]) == (409, "last_one")
    assert (await employee.posts("/staff/logout/")).status_code == 302


async def test_each_held_conversation_is_ended_or_accepted_by_the_successor_before_one_may_go(site, employee, talk, chatter, bo):
    other = await site.there_is(ConversationFactory, region=talk.region, held=employee.who)
    await passes_on(employee, talk, bo)
    offered_only = await employee.posts("/staff/duty/end/", script=True)

    await bo.accepts(talk)
    employee.line.says("end", conversation=other.pk)
    await site.settled()
    ready = employee.line.screen.duty

    assert (offered_only.status_code, offered_only.json()["code"]) == (409, "holds_conversations")
    assert (ready["may_leave"], ready["reason"]) == (True, "")
    assert (await employee.posts("/staff/duty/end/")).status_code == 204
    assert "Bo" in chatter.line.screen.texts[-1]  # the chatter reads who takes over
    assert await site.there_is(Duty.objects.running().filter(employee=employee.who).count) == 0


# ---------------------------------------------------------------- aan de telefoon


async def test_who_is_on_the_telephone_has_no_room_for_others_chats_and_is_offered_the_own_ones(site, employee, bo):
    own = await site.there_is(ConversationFactory, region=await region_of(employee))
    site.clock.forward(seconds=1)
    anybodys = await site.there_is(ConversationFactory, region=None)
    await site.settled()
    assert [chat["offer"] for chat in employee.line.screen.queue[0]] == ["own", "anywhere"]

    employee.line.says("phone", busy=True)
    await site.settled()

    assert (waiting(employee), employee.line.screen.queue[1]) == ([(str(own.pk), "own")], 0)
    assert employee.line.screen.duty["on_telephone"] is True
    (colleague,) = bo.line.screen.duty["colleagues"]
    assert (colleague["name"], colleague["room"], colleague["on_telephone"]) == ("Ans", 0, True)
    employee.line.says("accept", conversation=anybodys.pk)
    assert (await employee.line.hears("refused"))["code"] == "no_room"

    employee.line.says("phone", busy=False)
    await site.settled()
    assert (len(waiting(employee)), employee.line.screen.queue[1]) == (2, 3)
    assert "on_telephone" not in employee.line.screen.duty


async def test_a_look_passes_on_only_what_its_own_people_may_know(site, employee, talk, bo, cas):
    await passes_on(employee, talk, bo)

    facts = await site.there_is(queue.look, (), {cas.who.pk}, site.clock.now())

    assert talk.pk not in facts.conversations

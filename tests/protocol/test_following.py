"""Hello, catching up and following: whoever only listens ends where whoever reloads is (P2, P4, P5)."""

import uuid
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils.translation import gettext, override

from chat import entries
from chat.models import Entry
from chat.rules import Author
from tests.client import Chatter, Socket
from tests.factories import ConversationFactory, EmployeeFactory, writes


def in_short(frames: list[dict[str, Any]]) -> list[str]:
    """`entry 3`, `state active`: what matters in an order of frames."""
    which = {"entry": "seq", "ack": "seq", "state": "state", "read": "seq", "gone": "reason", "welcome": "last_seq", "refused": "code"}
    return [" ".join([frame["type"], str(frame[which[frame["type"]]])]) if frame["type"] in which else frame["type"] for frame in frames]


# ---------------------------------------------------------------- hello


async def test_hello_is_answered_by_welcome_the_entries_and_the_state(site, talk, chatter):
    at = site.moment
    await site.there_is(writes, talk, "een", "twee")

    line = await chatter.connects(after=1)

    assert in_short(line.frames) == ["welcome 3", "entry 2", "entry 3", "state active"]
    assert line.frames[0] == {"type": "welcome", "conversation": str(talk.pk), "state": "active", "first_seq": 1, "last_seq": 3}
    assert line.frames[1] == {
        "type": "entry",
        "seq": 2,
        "id": line.frames[1]["id"],
        "kind": "message",
        "author": "chatter",
        "name": "Zij",
        "text": "een",
        "at": at,
    }
    assert line.frames[3] == {"type": "state", "state": "active", "position": None, "employee": "Ans", "peer": "here"}


async def test_the_subprotocol_is_taken_when_it_is_offered_and_a_client_without_one_is_served_too(site, talk, chatter):
    without = await chatter.opens("/ws/chatter/")
    without.says("hello", after=0)

    assert chatter.line.subprotocol == "geruisloos.v1"
    assert without.subprotocol is None
    assert await without.hears("welcome")


async def test_a_log_longer_than_a_page_comes_whole_and_in_order(site, talk, chatter, settings):
    settings.PAGE_OF_ENTRIES = 3
    await site.there_is(writes, talk, *(f"regel {n}" for n in range(2, 12)))

    line = await chatter.connects()

    assert [frame["seq"] for frame in line.frames if frame["type"] == "entry"] == list(range(1, 12))


async def test_whoever_asks_after_more_than_there_is_gets_nothing_and_then_follows(site, talk, chatter):
    line = await chatter.connects(after=9_000)
    assert in_short(line.take("state")) == []

    await site.there_is(writes, talk, "nieuw")
    await site.settled()

    assert in_short(line.take()) == ["entry 2"]


async def test_a_second_hello_is_answered_like_the_first(site, talk, chatter):
    chatter.line.take()

    chatter.line.says("hello", after=0)
    await chatter.line.hears("state")
    await site.there_is(writes, talk, "verder")
    await site.settled()

    assert in_short(chatter.line.frames) == ["welcome 1", "entry 1", "state active"] * 2 + ["entry 2"]


async def test_an_employee_gets_each_conversation_then_the_states_then_duty_alarms_and_queue(site, employee, talk):
    site.clock.forward(seconds=1)
    second = await site.there_is(ConversationFactory, region=talk.region, held=employee.who)
    await site.there_is(writes, second, "een")
    waits = await site.there_is(ConversationFactory, region=talk.region)

    line = await employee.connects({second.pk: 1})

    assert in_short(line.frames) == [
        "welcome 1",
        "entry 1",
        "welcome 2",
        "entry 2",
        "state active",
        "state active",
        "duty",
        "alarms",
        "queue",
    ]
    about = [frame.get("conversation") for frame in line.frames]
    assert about == [str(pk) for pk in (talk.pk, talk.pk, second.pk, second.pk, talk.pk, second.pk)] + [None, None, None]
    assert [waiting["conversation"] for waiting in line.frames[-1]["waiting"]] == [str(waits.pk)]
    assert line.frames[0]["assignment"] == 1


async def test_what_an_employee_asks_after_and_does_not_hold_is_gone(site, employee, talk):
    colleague = await site.there_is(EmployeeFactory, on_duty=True, region=talk.region)
    taken = await site.there_is(ConversationFactory, region=talk.region, held=colleague)
    waits = await site.there_is(ConversationFactory, region=talk.region)
    done = await site.there_is(ConversationFactory, region=talk.region, held=employee.who, ended=True)
    await site.there_is(done.registered, at=site.clock.now())
    nowhere = uuid.uuid4()

    line = await employee.connects({taken.pk: 0, waits.pk: 0, done.pk: 0, nowhere: 0})

    reasons = {frame["conversation"]: frame["reason"] for frame in line.frames if frame["type"] == "gone"}
    assert reasons == {str(taken.pk): "transferred", str(waits.pk): "requeued", str(done.pk): "registered", str(nowhere): "requeued"}


async def test_ended_conversations_stay_until_they_are_registered_the_newest_first(site, employee, talk, settings):
    settings.ENDED_SHOWN = 2
    ended = []
    for _ in range(3):
        site.clock.forward(seconds=1)
        ended.append(await site.there_is(ConversationFactory, region=talk.region, held=employee.who, ended=True))

    line = await employee.connects()
    welcomed = [frame["conversation"] for frame in line.frames if frame["type"] == "welcome"]
    await site.there_is(ended[2].registered, at=site.clock.now())
    gone = await line.hears("gone")

    assert welcomed == [str(one.pk) for one in (talk, ended[2], ended[1])]
    assert (gone["conversation"], gone["reason"]) == (str(ended[2].pk), "registered")


# ---------------------------------------------------------------- following


async def test_a_message_is_acknowledged_to_its_sender_and_shown_to_everybody_else_once(site, employee, talk, chatter):
    second_tab = await chatter.opens("/ws/chatter/")
    second_tab.says("hello", after=0)
    await second_tab.hears("state")
    for line in (chatter.line, second_tab, employee.line):
        line.take()

    at = site.moment
    id = chatter.line.sends("Hoi")
    ack = await chatter.line.hears("ack", id=id)
    await site.settled()

    entry = {"seq": 2, "id": id, "kind": "message", "author": "chatter", "name": "Zij", "text": "Hoi", "at": at}
    assert ack == {"type": "ack", "id": id, "seq": 2, "at": at}
    assert chatter.line.take() == []
    assert second_tab.take() == [{"type": "entry", **entry}]
    assert employee.line.take() == [{"type": "entry", "conversation": str(talk.pk), **entry}]


async def test_the_employees_message_carries_the_name_that_the_chatter_knows(site, employee, talk, chatter):
    employee.line.sends("Vertel", conversation=talk.pk, assignment=1)

    heard = await chatter.line.hears("entry", seq=2)

    assert (heard["author"], heard["name"], heard["text"]) == ("employee", "Ans", "Vertel")


async def test_the_same_id_again_is_the_same_line(site, employee, talk, chatter):
    first = chatter.line.sends("Hoi")
    await chatter.line.hears("ack", id=first, seq=2)

    chatter.line.sends("Hoi", uuid.UUID(first))
    again = await chatter.line.hears("ack", id=first)
    over_http = await chatter.writes("Hoi", uuid.UUID(first))
    await site.settled()

    assert again["seq"] == 2
    assert over_http.json() == {"type": "ack", "id": first, "seq": 2, "at": again["at"]}
    assert employee.line.screen.texts[1:] == ["Hoi"]


async def test_what_was_sent_before_the_line_was_cut_is_stored(site, employee, talk, chatter):
    """P1: an append belongs to the process, not to the connection."""
    chatter.line.sends("nog net")
    await chatter.line.hangs_up()
    await site.settled()

    assert employee.line.screen.texts[1:] == ["nog net"]


@pytest.mark.parametrize("page", [1, 200])
async def test_whoever_only_listens_ends_where_whoever_reloads_is(site, employee, talk, chatter, settings, page):
    settings.PAGE_OF_ENTRIES = page
    listening = [chatter.line, employee.line]

    async def reloaded() -> list[Socket]:
        await site.settled()
        return [await chatter.connects(), await employee.connects()]

    for step in (
        lambda: chatter.line.sends("Hoi"),
        lambda: employee.line.sends("Dag", conversation=talk.pk),
        lambda: employee.line.says("read", conversation=talk.pk, seq=2),
        lambda: chatter.line.says("read", seq=3),
        lambda: chatter.line.sends("Ik ben bang"),
        lambda: employee.line.says("end", conversation=talk.pk),
    ):
        step()
        fresh = await reloaded()

        assert [line.screen.states for line in listening] == [line.screen.states for line in fresh]
        assert [line.screen.reads for line in listening] == [line.screen.reads for line in fresh]
        assert listening[1].screen.logs == fresh[1].screen.logs
        assert (listening[1].screen.queue, listening[1].screen.duty) == (fresh[1].screen.queue, fresh[1].screen.duty)
        if listening[0].screen.states[""]["state"] != "ended":  # after the end a page that is loaded again shows the last words only
            assert listening[0].screen.logs == fresh[0].screen.logs
            assert [entry["seq"] for entry in (await chatter.polls()).json()["entries"]] == sorted(listening[0].screen.logs[""])


async def test_an_accept_reaches_every_connection_of_the_employee(site, employee, talk):
    other_window = employee.line
    line = await employee.connects()
    waits = await site.there_is(ConversationFactory, region=talk.region, nickname="Hij", role="close")
    for window in (line, other_window):
        await window.hears("queue")

    welcome = await employee.accepts(waits)
    there = await other_window.hears("welcome", conversation=str(waits.pk))
    await site.settled()

    assert there == welcome
    assert {name: welcome[name] for name in ("state", "assignment", "nickname", "role", "region")} == {
        "state": "active",
        "assignment": 1,
        "nickname": "Hij",
        "role": "close",
        "region": talk.region.code,
    }
    for window in (line, other_window):
        assert window.screen.states[str(waits.pk)]["state"] == "active"
        assert [text for _, text in window.screen.logs[str(waits.pk)].values()]
        kinds = [frame["type"] for frame in window.frames if frame.get("conversation") == str(waits.pk)]
        assert kinds == ["welcome", "entry", "state"]


async def test_a_welcome_that_fails_comes_with_a_later_round(site, employee, talk):
    """P14: the database can be away at any moment, here between an accept and its welcome."""
    waits = await site.there_is(ConversationFactory, region=talk.region)
    await employee.line.hears("queue")

    def accept_and_lose_the_keys() -> None:
        with transaction.atomic():
            waits.accept(by=employee.who, at=site.clock.now())
            entries.forget_keys()
            rename("chat_conversationkey", "elsewhere")

    def rename(old: str, new: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    await site.there_is(accept_and_lose_the_keys)
    try:
        await employee.line.hears("refused", conversation=str(waits.pk), code="unavailable")
    finally:
        await site.there_is(rename, "elsewhere", "chat_conversationkey")
    await site.passes(seconds=5)

    assert await employee.line.hears("welcome", conversation=str(waits.pk))
    assert await employee.line.hears("entry", conversation=str(waits.pk), seq=1)
    assert await employee.line.hears("state", conversation=str(waits.pk), state="active")


async def test_a_conversation_of_somebody_else_is_never_followed(site, employee, talk):
    colleague = await site.there_is(EmployeeFactory, on_duty=True, region=talk.region)
    theirs = await site.there_is(ConversationFactory, region=talk.region, held=colleague)
    line = await employee.connects({theirs.pk: 0})
    line.take()

    line.says("typing", conversation=theirs.pk)
    await site.there_is(writes, theirs, "niet voor jou")
    await site.settled()

    assert in_short(line.take("queue", "duty")) == ["refused not_found"]


async def test_two_chatters_never_hear_each_other(site, employee, talk, chatter):
    second = Chatter(site).holds((await site.there_is(ConversationFactory, region=talk.region)).secret)
    await second.connects()
    second.line.take()

    chatter.line.sends("alleen voor Ans")
    chatter.line.says("typing")
    await site.settled()

    assert second.line.take() == []


async def test_an_unreadable_line_says_so_and_leaves_the_others_unharmed(site, talk, chatter):
    """K1."""
    await site.there_is(writes, talk, "een", "twee", "drie")
    await site.there_is(Entry.objects.filter(conversation=talk, seq=3).update, sealed=b"\x00" * 40)

    line = await chatter.connects(after=1)

    with override("nl"):
        assert line.screen.texts == ["een", gettext("This message cannot be read."), "drie"]


async def test_the_end_is_told_to_both(site, employee, talk, chatter):
    chatter.line.says("end")

    await chatter.line.hears("state", state="ended")
    await employee.line.hears("state", state="ended", conversation=str(talk.pk), peer=None)
    assert (await site.there_is(type(talk).objects.get)).ended_by == Author.CHATTER

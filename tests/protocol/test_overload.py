"""Overload, a database that is away, and a restart: refused visibly, in order, and never at the cost of what is inside (P13-P15)."""

import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from django.db import OperationalError, connection

from chat import entries, presence, rounds
from chat.models import Entry
from chat.rules import Author
from tests.client import Chatter, give_way
from tests.factories import ConversationFactory, writes


async def test_a_reader_who_never_reads_is_cut_and_the_others_are_not(site, employee, talk, chatter, settings):
    """N5: when too much waits for it, or when it has not taken a page of the log in time."""
    settings.READER_PATIENCE = timedelta(seconds=1)
    chatter.line.stops_reading()

    for _ in range(11):
        await site.there_is(writes, talk, *("regel" for _ in range(100)))
        await site.settled()

    assert await chatter.line.closes() is None
    assert chatter.line.task.done()
    assert len(employee.line.screen.logs[str(talk.pk)]) == 1_101
    chatter.line.reads_again()
    assert len((await chatter.connects()).screen.texts) == 1_101


async def test_twenty_thousand_frames_of_one_client_do_not_keep_another_one_waiting(site, employee, talk, chatter):
    flood = Chatter(site).holds((await site.there_is(ConversationFactory)).secret)
    await flood.connects()
    for _ in range(20_000):
        flood.line.says("typing")

    id = chatter.line.sends("Hoi")

    assert await chatter.line.hears("ack", id=id)


# ---------------------------------------------------------------- the database is away


@asynccontextmanager
async def away(site, table: str = "chat_entry"):
    """As long as this lasts, whatever needs that table fails."""

    def rename(old: str, new: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {old} RENAME TO {new}")

    # A name of its own: a connection of SQLite that has not seen the last renaming would still know the old one.
    await site.there_is(rename, table, f"{table}_elsewhere")
    try:
        yield
    finally:
        await site.there_is(rename, f"{table}_elsewhere", table)


async def test_what_cannot_be_stored_is_refused_and_what_follows_it_waits(site, employee, talk, chatter):
    """P2: after `unavailable` nothing more of that connection is stored until it begins again at that id."""
    async with away(site):
        first = chatter.line.sends("een")
        assert (await chatter.line.hears("refused"))["code"] == "unavailable"

    second = chatter.line.sends("twee")
    refused = await chatter.line.hears("refused", id=second)
    other = employee.line.sends("intussen", conversation=talk.pk)
    await employee.line.hears("ack", id=other)
    for id, text in ((first, "een"), (second, "twee")):
        chatter.line.sends(text, uuid.UUID(id))
        await chatter.line.hears("ack", id=id)
    await site.settled()

    assert refused["code"] == "unavailable"
    assert employee.line.screen.texts[1:] == ["intussen", "een", "twee"]


async def test_a_new_hello_begins_again(site, talk, chatter):
    async with away(site):
        chatter.line.sends("een")
        await chatter.line.hears("refused", code="unavailable")

    chatter.line.says("hello", after=0)
    id = chatter.line.sends("twee")

    assert await chatter.line.hears("ack", id=id, seq=2)


async def test_without_the_database_every_way_says_unavailable_and_nothing_of_the_text(site, talk, chatter, caplog, capsys):
    async with away(site):
        over_http = await chatter.writes("Geheim")
        form = await chatter.posts("/entries/", {"id": uuid.uuid4(), "text": "Geheim"})
        chatter.line.sends("Geheim")
        refused = await chatter.line.hears("refused")

    assert (over_http.status_code, over_http.json()["code"]) == (503, "unavailable")
    assert form.status_code == 503
    assert "0800-2000" in refused["detail"]
    assert "Geheim" not in caplog.text + capsys.readouterr().out
    assert (await chatter.writes("Nu wel")).status_code == 200


@pytest.mark.parametrize("table", ["chat_credential", "chat_entry"])
async def test_without_the_database_a_form_comes_back_with_its_text_and_id(site, talk, chatter, table):
    """P3; the id too, since a form whose answer was lost may have been stored."""
    id = uuid.uuid4()

    async with away(site, table):
        over_http = await chatter.writes("Hoi", id)
        form = await chatter.posts("/entries/", {"id": id, "text": "Hoi & dag"})

    assert (over_http.status_code, over_http.json()["id"], over_http.json()["code"]) == (503, str(id), "unavailable")
    assert (form.status_code, "0800-2000" in form.text) == (503, True)
    assert "Hoi &amp; dag</textarea>" in form.text
    assert f'name="id" value="{id}"' in form.text


@pytest.mark.parametrize("table", ["chat_credential", "chat_conversation"])
async def test_a_quick_exit_without_the_database_leads_away_all_the_same(site, settings, talk, chatter, table):
    async with away(site, table):
        beacon = await chatter.posts("/leave/", script=True)
        chatter.holds(talk.secret)
        form = await chatter.posts("/leave/")

    assert (beacon.status_code, form.status_code) == (204, 200)
    assert form.headers["Refresh"] == f"0;url={settings.EXIT_TARGET}"
    assert {cookie.split("=")[0] for cookie in form.headers.get_list("set-cookie")} >= {"__Host-p1", "__Host-p2"}


def test_signs_of_life_that_cannot_be_written_wait_for_the_next_time(monkeypatch):
    """A full disk: whoever reads goes on reading, and what was shown stays shown."""
    monkeypatch.setattr(presence, "_unwritten", presence._Unwritten())
    pk, at = uuid.uuid4(), datetime(2026, 11, 24, 12, tzinfo=UTC)
    written = []

    def full(batch):
        raise OperationalError("database or disk is full")

    presence.heard(pk, at)
    presence.has_read(pk, Author.CHATTER, 3)
    presence.employee_heard(5, at)
    monkeypatch.setattr(presence, "_write", full)
    presence.flush()
    monkeypatch.setattr(presence, "_write", written.append)
    presence.flush()

    (batch,) = written
    assert (batch.heard, batch.read, batch.on_duty) == ({pk: at}, {(pk, Author.CHATTER): 3}, {5: at})


async def test_a_poll_without_the_database_is_unavailable_and_the_next_one_is_not(site, talk, chatter):
    async with away(site, "chat_presence"):
        answer = await chatter.polls()

    assert (answer.status_code, answer.json()["code"], answer.headers["Cache-Control"]) == (503, "unavailable", "no-store")
    assert (await chatter.polls()).status_code == 200


async def test_signs_of_life_that_could_not_be_written_are_written_later(site, employee, talk, chatter):
    async with away(site, "chat_presence"):
        chatter.line.says("read", seq=1)
        await site.passes(seconds=9)
    await site.passes(seconds=3)

    assert (await employee.connects()).screen.reads == {str(talk.pk): 1}


async def test_a_hello_that_cannot_be_answered_is_refused_and_can_be_said_again(site, talk, chatter):
    async with away(site, "chat_presence"):
        chatter.line.says("hello", after=0)
        assert (await chatter.line.hears("refused"))["code"] == "unavailable"

    chatter.line.says("hello", after=0)

    assert await chatter.line.hears("welcome")


async def test_a_line_that_cannot_begin_is_closed_so_that_the_client_comes_back(site, talk, chatter, employee):
    async with away(site, "chat_presence"):
        chatters = await chatter.opens("/ws/chatter/")
    async with away(site, "staffing_employee"):
        employees = await employee.opens("/ws/staff/")

    assert (chatters.code, chatters.frames) == (employees.code, employees.frames) == (4012, [])


async def test_a_round_that_fails_is_followed_by_one_that_does_not(site, employee, talk, chatter):
    async with away(site, "staffing_duty"):
        await site.passes(seconds=12)

    waits = await site.there_is(ConversationFactory, region=talk.region)
    await site.passes(seconds=5)

    assert [chat["conversation"] for chat in employee.line.screen.queue[0]] == [str(waits.pk)]


# ---------------------------------------------------------------- a restart


async def test_a_restart_closes_every_line_with_4012_after_what_was_on_its_way_is_stored(site, employee, talk, chatter):
    """P13."""
    ids = [chatter.line.sends(f"regel {n}") for n in range(20)]
    while not chatter.line.is_still:
        await give_way()  # the server has read them; most are not stored yet

    await rounds.stop()

    assert chatter.line.code == employee.line.code == 4012
    acknowledged = [frame["id"] for frame in chatter.line.frames if frame["type"] == "ack"]
    stored = await site.there_is(
        lambda: [str(id) for id in Entry.objects.filter(author="chatter").order_by("seq").values_list("id", flat=True)]
    )
    assert acknowledged == stored == ids


async def test_after_a_restart_everything_is_where_it_was(site, employee, talk, chatter):
    chatter.line.sends("Hoi")
    chatter.line.says("read", seq=1)
    await site.settled()
    before = employee.line.screen

    await rounds.stop()
    entries.forget_keys()

    assert (await employee.connects()).screen == before
    assert (await chatter.connects()).screen.texts[1:] == ["Hoi"]


async def test_a_poll_that_waits_is_answered_by_a_restart(site, talk):
    waiting = await Chatter(site).holds(talk.secret).begins_to_poll(after=1, wait=25)

    await rounds.stop()

    assert (await waiting).status_code in (200, 503)

"""Bounds: floods are refused in words, in order, and hurt nobody else (N5, P15)."""

import uuid
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.core.cache.backends.redis import RedisCache

from chat import limits, log
from chat.models import Conversation
from tests.client import Chatter


@pytest.fixture
def frame_rate(settings):
    settings.FRAME_RATE = (10, timedelta(seconds=1))


@pytest.fixture
def start_rate(settings):
    settings.START_RATE = (5, timedelta(minutes=10))
    cache.clear()
    yield
    cache.clear()


# ---------------------------------------------------------------- frames


async def test_ten_quick_messages_after_a_reconnect_are_all_taken(site, frame_rate, talk, chatter):
    ids = [chatter.line.sends(f"regel {n}") for n in range(10)]

    assert [(await chatter.line.hears("ack"))["id"] for _ in ids] == ids


async def test_what_came_too_fast_comes_again_and_what_followed_waits_for_it(site, frame_rate, talk, chatter):
    """P2: the order of a connection is kept: after `too_fast` nothing more is stored until that message comes again."""
    ids = [chatter.line.sends(f"regel {n}") for n in range(35)]
    await site.settled()

    refused = {frame["id"]: frame["code"] for frame in chatter.line.take("ack", "pong", "state", "entry") if frame["type"] == "refused"}
    first = next(id for id in ids if id in refused)
    assert refused == {id: "too_fast" if id == first else "unavailable" for id in ids[ids.index(first) :]}

    await site.passes(seconds=3)
    later = chatter.line.sends("te vroeg")
    assert (await chatter.line.hears("refused", id=later))["code"] == "unavailable"
    for n, id in enumerate(ids[ids.index(first) :], start=ids.index(first)):
        chatter.line.sends(f"regel {n}", uuid.UUID(id))
        await chatter.line.hears("ack", id=id)
    assert (await chatter.connects()).screen.texts[1:] == [f"regel {n}" for n in range(35)]


async def test_a_new_hello_begins_again_after_too_fast(site, frame_rate, talk, chatter):
    for n in range(31):
        chatter.line.sends(f"regel {n}")
    await site.settled()
    await site.passes(seconds=3)

    chatter.line.says("hello", after=0)
    other = chatter.line.sends("iets anders")

    assert await chatter.line.hears("ack", id=other)


async def test_who_does_not_stop_is_closed_with_4429_and_the_others_do_not_notice(site, frame_rate, employee, talk, chatter):
    flood = Chatter(site).holds(talk.secret)
    await flood.connects()
    for _ in range(400):
        flood.line.says("typing")
    id = chatter.line.sends("Hoi")

    assert await flood.line.closes() == 4429
    assert await chatter.line.hears("ack", id=id)
    assert employee.line.code is None


async def test_a_heartbeat_that_is_answered_is_never_too_fast(site, frame_rate, talk, chatter):
    await site.passes(minutes=10)

    assert chatter.line.code is None
    assert not [frame for frame in chatter.line.frames if frame["type"] == "refused"]


# ---------------------------------------------------------------- starts


async def test_one_address_may_start_five_conversations_in_ten_minutes_and_reads_where_to_go_then(site, employee, start_rate):
    answers = [await Chatter(site).starts(nickname=f"{n}") for n in range(6)]

    assert [answer.status_code for answer in answers] == [303] * 5 + [429]
    assert "0800-2000" in answers[5].text
    assert await site.there_is(Conversation.objects.count) == 5


async def test_ten_minutes_later_and_from_another_address_one_may_start_again(site, employee, start_rate):
    for _ in range(6):
        await Chatter(site).starts()

    assert (await Chatter(site, address="198.51.100.7").starts()).status_code == 303
    await site.passes(minutes=1)
    site.clock.forward(minutes=9)
    assert (await Chatter(site).starts()).status_code == 303


async def test_the_same_form_again_is_no_new_start(site, employee, start_rate):
    chatter = Chatter(site)
    form = {"conversation": str(uuid.uuid4())}

    answers = [await chatter.posts("/start/", form) for _ in range(8)]

    assert {answer.status_code for answer in answers} == {303}


async def test_without_a_cache_this_process_counts_alone_and_nobody_is_shut_out(site, employee, start_rate, monkeypatch):
    monkeypatch.setattr(limits, "cache", RedisCache("redis://127.0.0.1:1", {}))

    answers = [(await Chatter(site, address="203.0.113.5").starts()).status_code for _ in range(6)]

    assert answers == [303] * 5 + [429]


# ---------------------------------------------------------------- overload


async def test_under_overload_new_chats_and_typing_give_way_and_messages_do_not(site, employee, talk, chatter, settings, monkeypatch):
    monkeypatch.setattr(log, "waiting", lambda: settings.OVERLOADED + 1)

    start = await Chatter(site).starts()
    chatter.line.says("typing")
    id = chatter.line.sends("Hoi")

    assert await chatter.line.hears("ack", id=id)
    assert (start.status_code, "0800-2000" in start.text) == (503, True)
    assert not [frame for frame in employee.line.frames if frame["type"] == "typing"]


# ---------------------------------------------------------------- what an operator sees


async def test_every_bound_has_a_gauge_for_who_may_see_it(site, talk, chatter, settings):
    here = Chatter(site, address="127.0.0.1")
    text = (await here.gets("/metrics")).text

    for name in ("frames_too_fast", "lines_cut", "starts_refused", "writer_waiting", "pool_waiting", "outgoing_bytes_most", "lines"):
        assert f"geruisloos_{name}" in text
    assert "Zij" not in text
    assert (await Chatter(site, address="198.51.100.7").gets("/metrics")).status_code == 404
    assert (await here.http.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"})).status_code == 404

    settings.METRICS_TOKEN = "geheim"
    assert (await here.gets("/metrics")).status_code == 404
    assert (await here.http.get("/metrics", headers={"Authorization": "Bearer geheim"})).status_code == 200


async def test_ready_names_its_components_to_the_operator_only(site):
    near, far = Chatter(site, address="127.0.0.1"), Chatter(site, address="198.51.100.7")

    assert "components" in (await near.gets("/health/ready")).json()
    assert set((await far.gets("/health/ready")).json()) == {"status"}

"""What a newer or older release says beside what is known here is ignored, in frames and in hints (P13)."""

import uuid
from contextlib import asynccontextmanager

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer

from chat.hints import GROUP
from tests.launcher.state import complaints

UNKNOWN = {"colour": "red", "version": 2, "more": {"of": ["it"]}, "type_": None}


async def test_fields_that_are_unknown_here_change_nothing(server, people):
    chatter, employee = await people.chatter(), await people.employee()
    line, desk = await chatter.opens("/ws/chatter/"), await employee.opens("/ws/staff/")
    line.says("hello", after=0, **UNKNOWN)
    about = {"conversation": (await line.hears("welcome"))["conversation"]}
    desk.says("hello", after={}, **UNKNOWN)
    await desk.hears("queue")
    desk.says("accept", **about, **UNKNOWN)
    await desk.hears("welcome", **about)
    await line.hears("state", state="active")

    said = await line.sends("Hoi", **UNKNOWN)
    await desk.hears("entry", seq=said["seq"])
    answer = await desk.sends("Dag", **about, **UNKNOWN)
    line.says("read", seq=answer["seq"], **UNKNOWN)
    await desk.hears("read", seq=answer["seq"])
    line.says("typing", **UNKNOWN)
    await desk.hears("typing")
    line.says("ping", now=True, **UNKNOWN)
    await line.hears("pong", last_seq=answer["seq"])
    line.says("end", **UNKNOWN)
    await desk.hears("state", state="ended")

    assert [frame for frame in line.frames + desk.frames if frame["type"] == "refused"] == []


@asynccontextmanager
async def another_release(server):
    """The channel layer, as a process of another release uses it."""
    layer = RedisPubSubChannelLayer(hosts=[server.environment["REDIS_URL"]])
    yield lambda **facts: layer.group_send(GROUP, {"type": "hint", "process": uuid.uuid4().hex, **facts})
    await layer.flush()


@pytest.mark.postgresql_only
async def test_a_hint_with_unknown_fields_is_heard_like_any_other(server, people):
    chatter, _, desk, _ = await people.pair()

    async with another_release(server) as hints:
        await hints(version=1, told=[[chatter.conversation, "chatter", 2]], colour="red", more={"of": ["it"]})
        await desk.hears("read", seq=2, conversation=chatter.conversation)

    assert complaints(server) == []


@pytest.mark.postgresql_only
async def test_a_hint_of_another_version_is_ignored(server, people):
    chatter, _, desk, _ = await people.pair()

    async with another_release(server) as hints:
        await hints(version=2, told=[[chatter.conversation, "chatter", 1]])
        await hints(version=2, grown=[[chatter.conversation, 7]], told={"author": "chatter"}, changed={"queue": 3})
        await hints(told=3)
        await hints(version=1, told=[[chatter.conversation, "chatter", 2]])
        await desk.hears("read", seq=2, conversation=chatter.conversation)

    assert [frame["seq"] for frame in desk.frames if frame["type"] == "read" and frame["conversation"] == chatter.conversation] == [2]
    assert complaints(server) == []

"""`manage.py runserver`, which is Daphne, speaks the same protocol with the same settings: a smoke run."""

import signal
import sys
import uuid

import pytest

from tests.running import ROOT, Running
from tests.stacks import free_port, service


@pytest.fixture(scope="module")
def server(_prepared):
    """The state of a server that was never started, served by another one."""
    prepared = _prepared.run()
    prepared.stop()
    prepared.environment["PORT"] = str(free_port())
    running = Running(prepared.environment)
    command = [sys.executable, "manage.py", "runserver", "--noreload", running.address]
    # Not asked to stop: Daphne waits for lines that are still open.
    with service(command, running.is_ready, running.log, signal.SIGKILL, cwd=ROOT, env=running.environment):
        yield running
    prepared.discard()


async def test_a_conversation_on_the_development_server_goes_as_on_the_launcher(server, people):
    chatter, line, desk, about = await people.pair()
    id = uuid.uuid4()

    line.says("send", id=id, text="Hoort iemand mij?")
    ack = await line.hears("ack", id=id)
    heard = await desk.hears("entry", id=id)
    await desk.sends("Ja, ik luister.", **about)
    answer = await line.hears("entry", text="Ja, ik luister.")
    line.says("read", seq=answer["seq"])
    await desk.hears("read", seq=answer["seq"])
    poll = await chatter.http.get(f"/entries/?after={ack['seq']}", headers={"Accept": "application/json"})
    line.says("end")
    await desk.hears("state", state="ended")

    assert heard["seq"] == ack["seq"]
    assert [entry["text"] for entry in poll.json()["entries"]] == ["Ja, ik luister."]
    assert b"geruisloos.v1" in line.head
    assert b"permessage-deflate" not in line.head
    assert "127.0.0.1:" not in server.output.replace(server.address, "").replace(server.base, "")

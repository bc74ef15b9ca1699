"""
Long polling: `GET /entries/?after=N&wait=S` reads the same log as a socket.

An ASGI application of its own: a Django view that waits holds a thread and a database connection, this holds neither.
"""

import asyncio
import json
import logging
import zlib
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

from django.conf import settings

from chat import cookies, entries, hints, pool, presence, protocol, queue, rounds
from chat.models import Conversation, Credential
from chat.rules import Author, State
from staffing import clock
from staffing.refusal import Refused
from staffing.rules import Refusal

logger = logging.getLogger("geruisloos.polls")


class WaitingPoll:
    """A poll that waits, as hints and rounds see it: the first news ends the waiting."""

    employee_id: int | None = None
    session_key: str | None = None

    def __init__(self, conversation: UUID, credential: int) -> None:
        self.conversation = conversation
        self.credential: int | None = credential
        self.news = asyncio.Event()
        self.look = -1
        self.state: protocol.StateFrame | None = None
        self.newest: tuple[int, protocol.StateFrame] | None = None
        self.last_seq = self.known = 0  # what it has said, and what the log has come to

    def conversations(self) -> Collection[UUID]:
        return (self.conversation,)

    def take(self, conversation: UUID, entry: protocol.Entry) -> None:
        self.grown(conversation, entry.seq)

    def grown(self, conversation: UUID, to: int) -> None:
        self.known = max(to, self.known)
        self._compare()

    def told(self, conversation: UUID, author: Author, read: int | None) -> None:
        pass

    def show(self, facts: queue.Facts) -> None:
        seen = facts.conversations.get(self.conversation)
        if seen is None:  # a look from before it began
            return
        if seen.left:
            self.news.set()
        self.newest = facts.number, facts.chatter_state(self.conversation)
        self.grown(self.conversation, seen.last_seq)

    def has_said(self, look: int, state: protocol.StateFrame, last_seq: int) -> None:
        """What the waiting begins with, and by which look; one that came meanwhile may know more already."""
        self.look, self.state, self.last_seq = look, state, last_seq
        self._compare()

    def _compare(self) -> None:
        """Only what differs from what was said is news: hints may be late or double (P4)."""
        if self.state is None:
            return
        differs = self.newest is not None and self.newest[0] > self.look and self.newest[1] != self.state
        if differs or self.known > self.last_seq:
            self.news.set()

    def beat(self, at: datetime) -> None:
        presence.heard(self.conversation, at)

    def session_ended(self) -> None:
        self.news.set()

    def stop_listening(self) -> None:
        self.news.set()

    async def restart(self) -> None:
        self.news.set()


def read_question(query: bytes) -> tuple[int, timedelta, str | None]:
    """`after`, `wait` and `version` of the address. Raises Refused: bad_frame."""
    asked = {name: values[0] for name, values in parse_qs(query.decode("latin-1")[:200]).items()}
    try:
        after, wait = int(asked.get("after", "0")), float(asked.get("wait", "0"))
        if not after >= 0 or not wait >= 0:
            raise ValueError
        return min(after, protocol.MOST_NUMBER), min(timedelta(seconds=min(wait, 3600)), settings.POLL_MOST), asked.get("version")
    except ValueError as error:
        raise Refused(Refusal.BAD_FRAME) from error


def _read(conversation: UUID, after: int, at: datetime) -> dict[str, Any] | None:
    """One answer: the entries after N, state and cards. None when the conversation is not here any more."""
    presence.flush()
    facts = queue.look({conversation}, (), at)
    if conversation not in facts.conversations or facts.conversations[conversation].left:
        return None
    seen, first, state = facts.conversations[conversation], facts.first_seq(conversation), facts.chatter_state(conversation)
    found: list[protocol.Entry] = []
    while page := entries.after(conversation, found[-1].seq if found else max(after, first - 1), settings.PAGE_OF_ENTRIES):
        found += page
        if len(page) < settings.PAGE_OF_ENTRIES:
            break
    cards = {"state": state.body(), "call": None, "steps": None}
    return {
        "entries": [entry.body() for entry in found],
        "first_seq": first,
        "last_seq": found[-1].seq if found else seen.last_seq,
        **cards,
        "version": f"{zlib.crc32(json.dumps(cards, sort_keys=True).encode()):08x}",
        "_look": (facts.number, state),
    }


async def _answer(scope: Any) -> tuple[int, dict[str, Any], str]:
    if rounds.is_over():
        raise Refused(Refusal.UNAVAILABLE)
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    at = clock.now()
    secret = cookies.halves(cookies.from_header(headers.get(b"cookie", "")))
    found = await pool.run(Conversation.objects.opened_by, secret, at) if secret else None
    if found is None:
        raise Refused(Refusal.NOT_FOUND)
    conversation, credential = found
    after, wait, version = read_question(scope["query_string"])
    presence.heard(conversation.pk, at)
    poll = WaitingPoll(conversation.pk, credential.pk)
    round_, board = rounds.running(), hints.open_switchboard()
    board.register(conversation.pk, poll)
    round_.lines.add(poll)
    try:
        body = await pool.run(_read, conversation.pk, after, at)
        if body is None:
            raise Refused(Refusal.NOT_FOUND)
        if after and conversation.state != State.ENDED and body["first_seq"] == 1:
            seq = min(after, body["last_seq"])
            presence.has_read(conversation.pk, Author.CHATTER, seq)
            hints.told(conversation.pk, Author.CHATTER, seq, poll)
        differs = version is not None and version != body["version"]
        if wait and not body["entries"] and not differs and body["state"]["state"] != State.ENDED:
            look, state = body["_look"]
            poll.has_said(look, state, body["last_seq"])
            await _first_of(poll.news, at + wait)
            if not await pool.run(_still_valid, credential.pk):
                raise Refused(Refusal.NOT_FOUND)
            body = await pool.run(_read, conversation.pk, after, clock.now())
            if body is None:
                raise Refused(Refusal.NOT_FOUND)
    finally:
        round_.lines.discard(poll)
        board.unregister(conversation.pk, poll)
    del body["_look"]
    return 200, body, conversation.language


def _still_valid(credential: int) -> bool:
    return Credential.objects.filter(pk=credential).exists()


async def _first_of(news: asyncio.Event, moment: datetime) -> None:
    loop = asyncio.get_running_loop()
    waits = [loop.create_task(news.wait()), loop.create_task(clock.sleep_until(moment))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


STATUS = {Refusal.NOT_FOUND: 404, Refusal.UNAVAILABLE: 503}


class LongPolling:
    """The ASGI application; `headers` are what every answer of the site carries."""

    def __init__(self, headers: Callable[[str], dict[str, str]]) -> None:
        self._headers = headers

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        gone = asyncio.get_running_loop().create_task(self._disconnected(receive))
        answering = asyncio.get_running_loop().create_task(self._say(scope, send))
        try:
            await asyncio.wait([gone, answering], return_when=asyncio.FIRST_COMPLETED)
        finally:
            gone.cancel()
            if not answering.done():
                answering.cancel()  # nobody waits for the answer any more
        if answering.done() and not answering.cancelled():
            answering.result()

    @staticmethod
    async def _disconnected(receive: Callable[[], Awaitable[Any]]) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def _say(self, scope: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        try:
            status, body, _language = await _answer(scope)
        except Exception as problem:  # what nobody expected is `unavailable`, without a word of the text
            if not isinstance(problem, Refused):
                logger.exception("a poll was not answered as it should be")
            no = problem if isinstance(problem, Refused) else Refused(Refusal.UNAVAILABLE)
            status = STATUS.get(no.code, 400)
            body = {"type": "refused", **protocol.RefusedFrame(None, no.code, no.detail()).body()}
        text = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
        headers = self._headers(scope["path"]) | {"Content-Type": "application/json", "Content-Length": str(len(text))}
        await send(
            {"type": "http.response.start", "status": status, "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()]}
        )
        await send({"type": "http.response.body", "body": text})

"""
People at the doors of the whole product: the real ASGI application in this process, under the standing clock.

Helper names begin with the person: `await chatter.starts(text="…")`, `await employee.accepts(conversation)`.
"""

import asyncio
import json
import re
import threading
import uuid
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any, TypeVar

import httpx
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore

from chat import entries, hints, log, pool, presence, protocol, rounds
from chat.models import Conversation, Halves
from chat.polls import WaitingPoll
from chat.rules import Author
from config.asgi import application
from staffing import tally
from staffing.models import Employee as EmployeeRow
from staffing.refusal import Refused
from tests.clock import StandingClock

HOST = "localhost"
ORIGIN = f"https://{HOST}"
PATIENCE = 30  # seconds of this machine: the longest that something may be on its way
STEP = timedelta(seconds=3)  # time passes in steps in which nobody falls silent
NOTICED = timedelta(seconds=5)  # of the standing clock: whatever no hint told is noticed within it (P4)
T = TypeVar("T")


class Site:
    """The product as one server process has it: its rounds, its writer, its threads, and everybody who is connected."""

    def __init__(self, clock: StandingClock, *, patient: bool = False) -> None:
        self.clock = clock
        self.patient = patient  # hints are lost or late: whoever waits to hear something lets time pass
        self.sockets: list[Socket] = []
        self.browsers: list[Browser] = []

    @property
    def moment(self) -> str:
        """This moment of the standing clock, as frames say it."""
        return f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"

    async def there_is(self, make: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """What a factory, a query or a verb answers, from one of the product's own threads."""
        return await pool.run(make, *args, **kwargs)

    async def passes(self, **duration: float) -> None:
        """Let time pass, and everything that it brings about happen; what was said before is heard before."""
        await self.quiet()
        await self._goes_on(timedelta(**duration))

    async def _goes_on(self, duration: timedelta) -> None:
        end = self.clock.now() + duration
        while self.clock.now() < end:
            self.clock.at(min(end, self.clock.now() + STEP))
            await self.quiet()

    async def settled(self) -> None:
        """Wait until everybody has heard what there is to hear."""
        await self.quiet()
        if self.patient:
            await self._goes_on(NOTICED)

    async def waits_for(self, condition: Callable[[], bool], most: timedelta = NOTICED) -> None:
        """Let time pass until that is so, but not longer; nothing when hints are heard, since then it is on its way."""
        if not self.patient:
            return
        await self.quiet()
        end = self.clock.now() + most
        while not condition() and self.clock.now() < end:
            await self._goes_on(timedelta(seconds=1))

    async def quiet(self) -> None:
        """Wait until nothing is on its way: threads with empty hands, nobody's frame unread, the round asleep."""
        still = 0
        async with asyncio.timeout(PATIENCE):
            while still < 2:
                before = self._heard()
                await self._empty_hands()
                still = still + 1 if self._is_still() and self._heard() == before else 0

    def _heard(self) -> int:
        return sum(len(socket.frames) for socket in self.sockets)

    async def _empty_hands(self) -> None:
        if log._writer and log._writer.answers:  # it answers in order, so whatever came before this has been answered too
            with suppress(Refused):
                await log.append(entries.New(uuid.uuid4(), Author.SYSTEM, uuid.uuid4(), "?", self.clock.now()))
        if pool._pool:  # all its threads can meet only when each has done what it had
            meeting = threading.Barrier(settings.POOL_THREADS)
            await asyncio.gather(*(pool.run(meeting.wait, PATIENCE) for _ in range(settings.POOL_THREADS)))
        for _ in range(3):
            await give_way()

    def _is_still(self) -> bool:
        if log._writer and not log._writer.is_idle:
            return False
        if any(not socket.is_still for socket in self.sockets):
            return False
        running = rounds._round
        if running is None or running.board.loop is not asyncio.get_running_loop():
            return True
        return self.clock.now() + rounds.STEP in self.clock.waiting and not running.board.something_changed.is_set()

    async def close(self) -> None:
        """Everybody goes, and the process ends as a server's does; the next test finds nothing of it."""
        for socket in self.sockets:
            await socket.hangs_up()
        for browser in self.browsers:
            await browser.http.aclose()
        await rounds.stop()
        await asyncio.to_thread(log.stop)
        await asyncio.to_thread(pool.stop)
        if hints.here:
            hints.here.close()
        hints.here = None
        presence._unwritten = presence._Unwritten()
        entries.forget_keys()
        tally._counted.clear()


async def give_way() -> None:
    """Let everything run that can run now."""
    loop = asyncio.get_running_loop()
    turn = loop.create_future()
    loop.call_soon(turn.set_result, None)
    await turn


class Screen:
    """What a page shows that hears these frames: the log by number, states, reads, queue and duty. Equal screens show the same."""

    def __init__(self, frames: Iterable[Mapping[str, Any]], sent: Mapping[str, str] | None = None) -> None:
        self.logs: dict[str, dict[int, tuple[str, str]]] = {}
        self.states: dict[str, Any] = {}
        self.reads: dict[str, int] = {}
        self.queue: Any = None
        self.duty: Any = None
        for frame in frames:
            self._hears(frame, frame.get("conversation", ""), sent or {})

    def _hears(self, frame: Mapping[str, Any], about: str, sent: Mapping[str, str]) -> None:
        match frame["type"]:
            case "entry":
                self._draws(about, frame["seq"], frame["id"], frame["text"])
            case "ack":
                self._draws(about, frame["seq"], frame["id"], sent[frame["id"]])
            case "state":
                self.states[about] = {name: frame[name] for name in ("state", "position", "employee", "peer")}
            case "read":
                self.reads[about] = max(frame["seq"], self.reads.get(about, 0))
            case "gone":
                for shown in (self.logs, self.states, self.reads):
                    shown.pop(about, None)
            case "queue":
                self.queue = (frame["waiting"], frame["room"])
            case "duty":
                self.duty = frame

    def _draws(self, about: str, seq: int, id: str, text: str) -> None:
        there = self.logs.setdefault(about, {}).setdefault(seq, (id, text))
        assert there == (id, text), f"two lines under number {seq}"

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Screen({vars(self)})"

    @property
    def texts(self) -> list[str]:
        """The texts of the one log that is shown, which must be without a gap."""
        (log,) = self.logs.values() or [{}]
        assert sorted(log) == list(range(min(log, default=1), min(log, default=1) + len(log))), f"a gap: {sorted(log)}"
        return [log[seq][1] for seq in sorted(log)]


class Socket:
    """One WebSocket. `frames` is all it heard, in order; `hears` goes through them, `take` gives what was not gone through yet."""

    def __init__(self, site: Site, path: str, headers: Iterable[tuple[str, str]], address: str, subprotocols: Iterable[str] = ()) -> None:
        self.site = site
        self.path = path
        self.frames: list[dict[str, Any]] = []
        self.sent: dict[str, str] = {}
        self.asked_after: Any = 0
        self.code: int | None = None
        self.subprotocol: str | None = None
        self.answers_pongs = True
        self._position = 0
        self._said: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._server_waits = False
        self._news = asyncio.Condition()
        self._reading = asyncio.Event()
        self._reading.set()
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "scheme": "wss",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
            "client": (address, 50_000),
            "server": (HOST, 443),
            "subprotocols": list(subprotocols),
        }
        site.sockets.append(self)
        self.task = asyncio.get_running_loop().create_task(application(scope, self._receive, self._send))
        self.task.add_done_callback(lambda _: self._tell())
        self._said.put_nowait({"type": "websocket.connect"})

    async def _receive(self) -> dict[str, Any]:
        self._server_waits = True
        said = await self._said.get()
        self._server_waits = False
        return said

    async def _send(self, event: dict[str, Any]) -> None:
        await self._reading.wait()
        if event["type"] == "websocket.accept":
            self.subprotocol = event.get("subprotocol")
        elif event["type"] == "websocket.close":
            self.code = event.get("code", 1000)
        else:
            frame = json.loads(event["text"])
            self.frames.append(frame)
            if frame["type"] == "pong" and self.answers_pongs:
                self.says("ping")
                if self.site.patient:
                    self._asks_again(frame["last_seq"])
        self._tell()

    def _asks_again(self, last: Any) -> None:
        """As every client does that misses something up to the number that a heartbeat names (interface.md, `pong`)."""
        if isinstance(last, dict):
            has = {about: self._has(about, self.asked_after.get(about, 0)) for about in last}
            if any(has[about] < seq for about, seq in last.items()):
                self.says("hello", after=has)
        elif (seq := self._has("", self.asked_after)) < last:
            self.says("hello", after=seq)

    def _has(self, about: str, asked_after: int) -> int:
        """The number up to which it misses nothing of what it asked for and may see."""
        mine = [frame for frame in self.frames if about in ("", frame.get("conversation"))]
        seqs = {frame["seq"] for frame in mine if frame["type"] in ("entry", "ack")}
        first = max((frame["first_seq"] for frame in mine if frame["type"] == "welcome"), default=1)
        return next(seq for seq in count(max(asked_after, first - 1)) if seq + 1 not in seqs)

    def _tell(self) -> None:
        async def tell() -> None:
            async with self._news:
                self._news.notify_all()

        self._telling = asyncio.get_running_loop().create_task(tell())

    @property
    def screen(self) -> Screen:
        """What its page shows by now."""
        return Screen(self.frames, self.sent)

    @property
    def numbers(self) -> list[int]:
        """The numbers of the entries in the order in which they came."""
        return [frame["seq"] for frame in self.frames if frame["type"] == "entry"]

    @property
    def is_still(self) -> bool:
        """Everything it said has been read, and the server waits for more."""
        return self.task.done() or (self._server_waits and self._said.empty()) or not self._reading.is_set()

    # ------------------------------------------------------------ saying

    def says(self, kind: str, **fields: Any) -> None:
        if kind == "hello":
            self.asked_after = fields.get("after", 0)
        self.says_raw(json.dumps({"type": kind, **fields}, default=str))

    def says_raw(self, what: str | bytes) -> None:
        self._said.put_nowait({"type": "websocket.receive", "text" if isinstance(what, str) else "bytes": what})

    def sends(self, text: str, id: uuid.UUID | None = None, **fields: Any) -> str:
        """Say a message; its id."""
        id = id or uuid.uuid4()
        self.sent[str(id)] = text
        self.says("send", id=id, text=text, **fields)
        return str(id)

    async def hangs_up(self) -> None:
        """The connection goes without a word of ours, as most do."""
        self._reading.set()
        self._said.put_nowait({"type": "websocket.disconnect", "code": 1006})
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(self.task, return_exceptions=True)

    def falls_silent(self) -> None:
        """Half open: from now on it answers nothing."""
        self.answers_pongs = False

    def stops_reading(self) -> None:
        self._reading.clear()

    def reads_again(self) -> None:
        self._reading.set()

    # ------------------------------------------------------------ hearing

    async def hears(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The next frame of this kind with these fields; what came before it counts as gone through."""
        wanted = {"type": kind, **fields}

        def find() -> int | None:
            for position in range(self._position, len(self.frames)):
                if wanted.items() <= {name: value for name, value in self.frames[position].items() if name in wanted}.items():
                    return position
            return None

        await self._until(lambda: find() is not None or self.task.done(), wanted)
        position = find()
        assert position is not None, f"closed with {self.code} before {wanted}; heard {self.frames[self._position :]}"
        self._position = position + 1
        return self.frames[position]

    def take(self, *but: str) -> list[dict[str, Any]]:
        """What has been heard and not gone through yet, without these kinds."""
        found, self._position = self.frames[self._position :], len(self.frames)
        return [frame for frame in found if frame["type"] not in but]

    async def closes(self) -> int | None:
        """The code with which the server closes."""
        await self._until(lambda: self.code is not None or self.task.done(), "a close")
        return self.code

    async def _until(self, condition: Callable[[], bool], what: object) -> None:
        await self.site.waits_for(condition)
        try:
            async with asyncio.timeout(PATIENCE), self._news:
                await self._news.wait_for(condition)
        except TimeoutError:
            raise AssertionError(f"did not hear {what} within {PATIENCE} s; heard {self.frames[self._position :]}") from None


class Patient(httpx.ASGITransport):
    """Whatever does not answer fails, and says which request it was."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            async with asyncio.timeout(PATIENCE):
                return await super().handle_async_request(request)
        except TimeoutError:
            raise AssertionError(f"no answer to {request.method} {request.url} within {PATIENCE} s") from None


class Browser:
    """One browser with its cookies, and with an address that must be found nowhere."""

    def __init__(self, site: Site, *, language: str = "nl", address: str = "192.0.2.77", forwarded: str = "") -> None:
        self.site, self.address = site, address
        self.headers = {"Accept-Language": language} | ({"X-Forwarded-For": forwarded} if forwarded else {})
        transport = Patient(app=application, client=(address, 50_000))
        self.http = httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=self.headers)
        self._token = ""
        site.browsers.append(self)

    @property
    def cookies(self) -> dict[str, str]:
        return {cookie.name: cookie.value or "" for cookie in self.http.cookies.jar}

    def keeps(self, **cookies: str) -> None:
        for name, value in cookies.items():
            self.http.cookies.set(name, value, domain=f"{HOST}.local")

    def forgets(self, name: str) -> None:
        """Delete a cookie, as the exit's script does."""
        self.http.cookies.delete(name)

    async def gets(self, address: str, *, accept: str = "text/html", **headers: str) -> httpx.Response:
        answer = await self.http.get(address, headers={"Accept": accept} | headers)
        if found := re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', answer.text):
            self._token = found[1]
        return answer

    async def posts(self, address: str, fields: Mapping[str, Any] | None = None, *, script: bool = False, **headers: str) -> httpx.Response:
        """Post a form as a page does; with `script` as the page's script does: JSON is wanted, the token stands in the header."""
        if not self._token:
            await self.gets("/")
        common = {"Origin": ORIGIN, "Accept": "application/json" if script else "text/html"} | headers
        if script:
            return await self.http.post(address, data=dict(fields or {}), headers={"X-CSRFToken": self._token} | common)
        return await self.http.post(address, data={"csrfmiddlewaretoken": self._token, **(fields or {})}, headers=common)

    async def posts_json(self, address: str, said: Any) -> httpx.Response:
        if not self._token:
            await self.gets("/")
        body = said if isinstance(said, str) else json.dumps(said, default=str)
        headers = {"Origin": ORIGIN, "Accept": "application/json", "Content-Type": "application/json", "X-CSRFToken": self._token}
        return await self.http.post(address, content=body.encode(), headers=headers)

    async def opens(self, path: str, *, origin: str | None = ORIGIN, host: str = HOST, subprotocols: Iterable[str] = ()) -> Socket:
        """A WebSocket after its upgrade, with this browser's cookies."""
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = [("Host", host), *self.headers.items(), *([("Cookie", cookies)] if cookies else [])]
        headers += [("Origin", origin)] if origin is not None else []
        socket = Socket(self.site, path, headers, self.address, subprotocols)
        await self.site.quiet()
        return socket


class Chatter(Browser):
    """The person who seeks help. `line` is the newest connection."""

    line: Socket

    def holds(self, secret: Halves) -> "Chatter":
        """The conversation whose cookie this is."""
        self.keeps(**{settings.CHATTER_COOKIE: secret.first, settings.CHATTER_COOKIE_SCRIPT: secret.second})
        return self

    async def starts(self, **fields: Any) -> httpx.Response:
        """Fill in the start form and send it."""
        page = await self.gets("/")
        form = re.search(r'name="conversation" value="([^"]+)"', page.text)
        return await self.posts("/start/", {"conversation": form[1] if form else str(uuid.uuid4()), **fields})

    async def connects(self, after: int = 0) -> Socket:
        """A connection after its hello, up to the first state."""
        self.line = await self.opens("/ws/chatter/", subprotocols=[protocol.SUBPROTOCOL])
        self.line.says("hello", after=after)
        await self.line.hears("state")
        return self.line

    async def polls(self, after: int = 0, wait: float = 0, version: str = "") -> httpx.Response:
        """Ask by long polling; returns when the server answers."""
        question = {"after": after, "wait": wait} | ({"version": version} if version else {})
        return await self.http.get("/entries/", params=question, headers={"Accept": "application/json"})

    async def begins_to_poll(self, **question: Any) -> "Poll":
        """A poll that waits for news by now, or that has been answered already."""

        def waiting() -> int:
            return sum(1 for line in rounds.running().lines if isinstance(line, WaitingPoll) and line.state)

        before, polling = waiting(), asyncio.get_running_loop().create_task(self.polls(**question))
        async with asyncio.timeout(PATIENCE):
            while not polling.done() and waiting() == before:
                await give_way()
        await self.site.quiet()
        return Poll(self.site, polling)

    async def writes(self, text: str, id: uuid.UUID | None = None) -> httpx.Response:
        """Send a message without a socket."""
        return await self.posts_json("/entries/", {"id": id or uuid.uuid4(), "text": text})


class Poll:
    """A poll that waits; awaited, it lets time pass as whoever waits at a socket does."""

    def __init__(self, site: Site, answer: asyncio.Task[httpx.Response]) -> None:
        self.site, self.answer = site, answer

    def done(self) -> bool:
        return self.answer.done()

    def cancel(self) -> None:
        self.answer.cancel()

    def __await__(self) -> Generator[Any, Any, httpx.Response]:
        return self._answered().__await__()

    async def _answered(self) -> httpx.Response:
        await self.site.waits_for(self.done)
        return await self.answer


class Employee(Browser):
    """Somebody of the Front Office with a browser of their own. `line` is the newest connection."""

    line: Socket
    who: EmployeeRow

    async def logs_in(self, who: EmployeeRow) -> "Employee":
        self.who = who
        self.keeps(**{settings.SESSION_COOKIE_NAME: await self.site.there_is(session_of, who)})
        return self

    async def connects(self, after: Mapping[Any, int] | None = None) -> Socket:
        """A connection after its hello, up to the first queue."""
        self.line = await self.opens("/ws/staff/", subprotocols=[protocol.SUBPROTOCOL])
        self.line.says("hello", after={str(pk): n for pk, n in (after or {}).items()})
        await self.line.hears("queue")
        return self.line

    async def accepts(self, conversation: Conversation) -> dict[str, Any]:
        """Take a waiting conversation; its welcome."""
        self.line.says("accept", conversation=conversation.pk)
        return await self.line.hears("welcome", conversation=str(conversation.pk))


def session_of(who: EmployeeRow) -> str:
    """The key of a session in which this employee is logged in."""
    session = SessionStore()
    session[SESSION_KEY] = str(who.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = who.get_session_auth_hash()
    session.create()
    return str(session.session_key)


class Careful:
    """
    What one careful side of a conversation does, whatever carries its frames: it loses nothing and shows nothing twice.

    Entries are drawn by number only and held back while one is missing; what is not acknowledged is said again, in its order.
    """

    def __init__(self, author: Author, **about: str) -> None:
        self.author, self.about = author, about
        self.said: set[str] = set()
        self.outbox: dict[str, str] = {}
        self.final: dict[str, str] = {}  # refused for good, with the code
        self.known: dict[int, tuple[str, str, str]] = {}  # number → id, author, text

    def writes(self, text: str, id: uuid.UUID | None = None) -> dict[str, Any]:
        """A new message, as the frame to say now."""
        id = id or uuid.uuid4()
        self.said.add(str(id))
        self.outbox[str(id)] = text
        return self._send(str(id))

    def _send(self, id: str) -> dict[str, Any]:
        return {"type": "send", "id": id, "text": self.outbox[id], **self.about}

    def hears(self, frame: Mapping[str, Any]) -> None:
        match frame["type"]:
            case "entry":
                self._know(frame["seq"], frame["id"], frame["author"], frame["text"])
                if frame["author"] == self.author:
                    self.outbox.pop(frame["id"], None)
            case "ack":
                if frame["id"] in self.outbox:
                    self._know(frame["seq"], frame["id"], self.author, self.outbox.pop(frame["id"]))
            case "refused" if frame["id"] in self.outbox and frame["code"] not in ("too_fast", "unavailable"):
                self.final[frame["id"]] = frame["code"]
                del self.outbox[frame["id"]]

    def _know(self, seq: int, id: str, author: str, text: str) -> None:
        there = self.known.setdefault(seq, (id, str(author), text))
        assert there == (id, str(author), text), f"two lines under number {seq}"

    @property
    def after(self) -> int:
        """The number up to which nothing is missing: what the next `hello` asks after."""
        seq = 0
        while seq + 1 in self.known:
            seq += 1
        return seq

    @property
    def shown(self) -> list[tuple[str, str, str]]:
        """The log as this side shows it."""
        return [self.known[seq] for seq in range(1, self.after + 1)]

    def says_again(self) -> list[dict[str, Any]]:
        """Everything that is not acknowledged, from the oldest on."""
        return [self._send(id) for id in self.outbox]

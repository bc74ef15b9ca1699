"""
Every frame of the contract, in every situation, from each side: what the one who says it hears.

`-` is nothing. A frame whose ability comes with a later release is refused with `not_allowed`.
"""

import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta

from chat.rules import Author
from tests.client import Chatter, Employee, Site, Socket
from tests.factories import ConversationFactory, EmployeeFactory, RegionFactory

CHATTER = """
                        | before hello | waiting     | active      | ended       | quick exit
hello                   | welcome      | welcome     | welcome     | welcome     | 4409
send                    | bad_frame    | ack         | ack         | ended       | 4409
send, stored            | bad_frame    | ack         | ack         | ack         | 4409
send, id used before    | bad_frame    | id_reused   | id_reused   | id_reused   | 4409
send, empty             | bad_frame    | empty       | empty       | empty       | 4409
send, too long          | bad_frame    | too_long    | too_long    | too_long    | 4409
typing                  | bad_frame    | -           | -           | -           | 4409
read                    | bad_frame    | -           | -           | -           | 4409
end                     | bad_frame    | state       | state       | -           | 4409
decline_call            | bad_frame    | not_allowed | not_allowed | not_allowed | 4409
ping                    | bad_frame    | -           | -           | -           | 4409
ping, now               | bad_frame    | pong        | pong        | pong        | 4409
accept                  | bad_frame    | bad_frame   | bad_frame   | bad_frame   | 4409
no such frame           | bad_frame    | bad_frame   | bad_frame   | bad_frame   | 4409
not JSON                | bad_frame    | bad_frame   | bad_frame   | bad_frame   | 4409
binary                  | bad_frame    | bad_frame   | bad_frame   | bad_frame   | 4409
"""

STAFF = """
                        | before hello | offered     | off duty    | mine             | mine, left       | mine, ended      | another's        | nowhere
hello                   | duty         | duty        | duty        | welcome          | welcome          | welcome          | duty             | duty
send                    | bad_frame    | not_found   | not_found   | ack              | not_allowed      | ended            | not_found        | not_found
send, stored            | bad_frame    | not_found   | not_found   | ack              | ack              | ack              | not_found        | not_found
send, id used before    | bad_frame    | not_found   | not_found   | id_reused        | id_reused        | id_reused        | not_found        | not_found
send, old assignment    | bad_frame    | not_found   | not_found   | not_allowed      | not_allowed      | ended            | not_found        | not_found
send, empty             | bad_frame    | empty       | empty       | empty            | empty            | empty            | empty            | empty
typing                  | bad_frame    | not_found   | not_found   | -                | -                | -                | not_found        | not_found
read                    | bad_frame    | not_found   | not_found   | -                | -                | -                | not_found        | not_found
end                     | bad_frame    | not_found   | not_found   | state            | state            | -                | not_found        | not_found
end, misuse             | bad_frame    | not_found   | not_found   | state            | state            | -                | not_found        | not_found
end, old assignment     | bad_frame    | not_found   | not_found   | not_allowed      | not_allowed      | not_allowed      | not_found        | not_found
accept                  | bad_frame    | welcome     | not_on_duty | already_accepted | already_accepted | already_accepted | already_accepted | not_found
transfer                | bad_frame    | not_found   | not_found   | not_allowed      | not_allowed      | ended            | not_found        | not_found
reveal                  | bad_frame    | not_allowed | not_allowed | not_allowed      | not_allowed      | not_allowed      | not_allowed      | not_allowed
offer_call              | bad_frame    | not_allowed | not_allowed | not_allowed      | not_allowed      | not_allowed      | not_allowed      | not_allowed
call_done               | bad_frame    | not_allowed | not_allowed | not_allowed      | not_allowed      | not_allowed      | not_allowed      | not_allowed
steps                   | bad_frame    | not_allowed | not_allowed | not_allowed      | not_allowed      | not_allowed      | not_allowed      | not_allowed
danger                  | bad_frame    | not_allowed | not_allowed | not_allowed      | not_allowed      | not_allowed      | not_allowed      | not_allowed
phone                   | bad_frame    | -           | not_on_duty | -                | -                | -                | -                | -
take_alarm              | bad_frame    | not_found   | not_found   | not_found        | not_found        | not_found        | not_found        | not_found
ping                    | bad_frame    | -           | -           | -                | -                | -                | -                | -
ping, now               | bad_frame    | pong        | pong        | pong             | pong             | pong             | pong             | pong
decline_call            | bad_frame    | bad_frame   | bad_frame   | bad_frame        | bad_frame        | bad_frame        | bad_frame        | bad_frame
no such frame           | bad_frame    | bad_frame   | bad_frame   | bad_frame        | bad_frame        | bad_frame        | bad_frame        | bad_frame
not JSON                | bad_frame    | bad_frame   | bad_frame   | bad_frame        | bad_frame        | bad_frame        | bad_frame        | bad_frame
"""  # noqa: E501 - a table is read as one

STORED, USED, FRESH, REFUSED = (str(uuid.UUID(int=n, version=4)) for n in range(4))
FRAMES = {
    "send": {"id": FRESH, "text": "Nieuw"},
    "send, stored": {"id": STORED, "text": "Hoi"},
    "send, id used before": {"id": USED, "text": "Iets anders"},
    "send, old assignment": {"id": REFUSED, "text": "Nieuw", "assignment": 0},
    "send, empty": {"id": FRESH, "text": " "},
    "send, too long": {"id": FRESH, "text": "a" * 4_001},
    "read": {"seq": 1},
    "end, misuse": {"reason": "misuse"},
    "end, old assignment": {"assignment": 0},
    "transfer": {"to": 1, "note": ""},
    "call_done": {"reached": True},
    "steps": {"text": "1. Bel"},
    "phone": {"busy": True},
    "take_alarm": {"alarm": 1},
    "ping, now": {"now": True},
}
TOLD_BY_A_HINT = ("end", "end, misuse")
CHANGES_THE_SITUATION = ("hello", "end", "end, misuse", "accept")
WITHOUT_CONVERSATION = ("hello", "phone", "take_alarm", "ping", "no such frame", "not JSON", "binary", "decline_call")


def rows_and_columns(table: str) -> tuple[list[str], list[str]]:
    lines = [[cell.strip() for cell in line.split("|")] for line in table.strip("\n").splitlines()]
    return [line[0] for line in lines[1:]], lines[0][1:]


async def answer_to(line: Socket, row: str, site: Site, **about: str) -> str:
    """The first word of the answer: the kind of frame, the code of a refusal or of the close."""
    line.take()
    if row in ("not JSON", "binary"):
        line.says_raw("{" if row == "not JSON" else b"\x00")
    elif row == "hello":
        line.says("hello", after={} if line.path == "/ws/staff/" else 0)
    else:
        line.says(row.split(",")[0], **FRAMES.get(row, {}), **about)
    await site.quiet()
    but = () if row == "hello" else ("duty", "queue")  # these come at every change
    heard = line.take(*but)
    if row in TOLD_BY_A_HINT and not heard:
        await site.settled()
        heard = line.take(*but, "pong")
    if not heard:
        return str(line.code) if line.code else "-"
    if heard[0]["type"] == "refused":
        assert heard[0]["id"] == (FRAMES[row]["id"] if row.startswith("send") else None), heard[0]
        assert heard[0].get("conversation") == about.get("conversation"), heard[0]
        assert heard[0]["detail"]
        return heard[0]["code"]
    return heard[0]["type"]


Situation = tuple[Socket, str]  # a connection, and the conversation that the frames are about


async def observe(table: str, site: Site, enter: Callable[[str], Awaitable[Situation]]) -> str:
    """The same table with what was heard in its cells."""
    rows, columns = rows_and_columns(table)
    lines = [line.split("|") for line in table.strip("\n").splitlines()]
    widths = [len(cell) for cell in lines[0]]
    entered: dict[str, Situation] = {}
    for line, row in zip(lines[1:], rows, strict=True):
        for n, column in enumerate(columns, start=1):
            connection, conversation = entered[column] = entered.get(column) or await enter(column)
            about = {} if table is CHATTER or row.split(",")[0] in WITHOUT_CONVERSATION else {"conversation": conversation}
            line[n] = f" {await answer_to(connection, row, site, **about):<{widths[n] - 1}}"
            if row in CHANGES_THE_SITUATION:
                await connection.hangs_up()
                del entered[column]
    return "\n".join("|".join(line).rstrip() for line in lines)


def as_text(table: str) -> str:
    return "\n".join(line.rstrip() for line in table.strip("\n").splitlines())


async def sends_stored_ones(line: Socket, site: Site, **about: str) -> None:
    line.sends("Hoi", uuid.UUID(STORED), **about)
    line.sends("Hoi", uuid.UUID(USED), **about)
    await site.quiet()


async def test_what_a_chatter_hears_to_every_frame_in_every_situation(site, settings):
    settings.AFTER_END = timedelta(minutes=1)  # the table may take longer than a line stays open after the end
    region = await site.there_is(RegionFactory)
    employee = await site.there_is(EmployeeFactory, on_duty=True, region=region)

    async def enter(column: str) -> Situation:
        held = {"active": employee, "ended": employee}.get(column)
        conversation = await site.there_is(ConversationFactory, region=region, held=held)
        chatter = Chatter(site).holds(conversation.secret)
        if column == "before hello":
            line = await chatter.opens("/ws/chatter/")
        else:
            line = await chatter.connects()
            await sends_stored_ones(line, site)
        if column == "ended":
            await site.there_is(conversation.end, by=Author.EMPLOYEE, employee=employee, at=site.clock.now())
            await site.settled()
        if column == "quick exit":
            await site.there_is(conversation.quick_exit, at=site.clock.now())
            await site.settled()
        return line, str(conversation.pk)

    assert await observe(CHATTER, site, enter) == as_text(CHATTER)


async def test_what_an_employee_hears_to_every_frame_in_every_situation(site):
    region = await site.there_is(RegionFactory)

    async def enter(column: str) -> Situation:
        me, colleague = [await site.there_is(EmployeeFactory, on_duty=True, region=region) for _ in range(2)]
        off_duty = await site.there_is(EmployeeFactory, region=region)
        holder = {"mine": me, "mine, left": me, "mine, ended": me, "another's": colleague}.get(column)
        conversation = await site.there_is(ConversationFactory, region=region, held=holder)
        employee = await Employee(site).logs_in(off_duty if column == "off duty" else me)
        if column == "before hello":
            line = await employee.opens("/ws/staff/")
        else:
            line = await employee.connects()
        if holder is me:
            await sends_stored_ones(line, site, conversation=str(conversation.pk))
        if column == "mine, left":
            await site.there_is(conversation.quick_exit, at=site.clock.now())
            await site.settled()
        if column == "mine, ended":
            await site.there_is(conversation.end, by=Author.CHATTER, at=site.clock.now())
            await site.settled()
        return line, str(uuid.uuid4() if column == "nowhere" else conversation.pk)

    assert await observe(STAFF, site, enter) == as_text(STAFF)

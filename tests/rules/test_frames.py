"""The contract's frames as values: what a client may say, what the server says, and what text becomes. No network, no database."""

import json
import unicodedata
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chat import protocol
from chat.protocol import (
    CHATTER,
    COMBINING_IN_A_ROW,
    STAFF,
    TEXT_BYTES,
    TEXT_CHARACTERS,
    Accept,
    End,
    HasRead,
    Hello,
    IsTyping,
    Kind,
    NotUnderstood,
    Phone,
    Ping,
    Send,
    StaffHello,
    TakeAlarm,
    Transfer,
    Unavailable,
    normalise,
    normalise_name,
    parse,
)
from chat.rules import Author, Peer, State
from staffing.rules import AMSTERDAM, Refusal

ONE, TWO = UUID("11111111-1111-4111-8111-111111111111"), UUID("22222222-2222-4222-8222-222222222222")
ABOUT = {"conversation": str(ONE)}
AT = datetime(2026, 11, 24, 9, 0, 0, 250_000, tzinfo=UTC)


def refused(frame: object, table=CHATTER) -> NotUnderstood:
    with pytest.raises(NotUnderstood) as no:
        parse(frame if isinstance(frame, str) else json.dumps(frame), table)
    return no.value


# ---------------------------------------------------------------- what a client may say


@pytest.mark.parametrize(
    ("frame", "value"),
    [
        ({"type": "hello", "after": 7}, Hello(7)),
        ({"type": "send", "id": str(TWO), "text": "Hoi"}, Send(TWO, "Hoi")),
        ({"type": "typing"}, IsTyping()),
        ({"type": "read", "seq": 3}, HasRead(3)),
        ({"type": "end"}, End()),
        ({"type": "end", "reason": "misuse"}, End()),  # only staff may say so
        ({"type": "decline_call"}, Unavailable()),
        ({"type": "ping"}, Ping(now=False)),
        ({"type": "ping", "now": True}, Ping(now=True)),
        ({"type": "hello", "after": 0, "from_a_later_release": [1, 2]}, Hello(0)),
    ],
)
def test_a_chatters_frame_becomes_its_value(frame, value):
    assert parse(json.dumps(frame), CHATTER) == value


@pytest.mark.parametrize(
    ("frame", "value"),
    [
        ({"type": "hello", "after": {}}, StaffHello({})),
        ({"type": "hello", "after": {str(ONE): 4, str(TWO): 0}}, StaffHello({ONE: 4, TWO: 0})),
        ({"type": "send", **ABOUT, "id": str(TWO), "text": "Hoi"}, Send(TWO, "Hoi", ONE)),
        ({"type": "send", **ABOUT, "id": str(TWO), "text": "Hoi", "assignment": 2}, Send(TWO, "Hoi", ONE, 2)),
        ({"type": "typing", **ABOUT}, IsTyping(ONE)),
        ({"type": "read", **ABOUT, "seq": 3}, HasRead(3, ONE)),
        ({"type": "end", **ABOUT}, End(ONE)),
        ({"type": "end", **ABOUT, "reason": "misuse", "assignment": 1}, End(ONE, misuse=True, assignment=1)),
        ({"type": "end", **ABOUT, "reason": "bored"}, End(ONE)),
        ({"type": "ping"}, Ping(now=False)),
        ({"type": "accept", **ABOUT}, Accept(ONE)),
        ({"type": "transfer", **ABOUT, "to": 3, "note": "…"}, Transfer(ONE, 3, "…")),
        ({"type": "transfer", **ABOUT, "to": 3, "note": " ", "assignment": 2}, Transfer(ONE, 3, "", 2)),
        ({"type": "transfer", **ABOUT, "to": 3}, Transfer(ONE, 3, "")),
        ({"type": "reveal", **ABOUT}, Unavailable(ONE)),
        ({"type": "offer_call", **ABOUT}, Unavailable(ONE)),
        ({"type": "call_done", **ABOUT, "reached": True}, Unavailable(ONE)),
        ({"type": "steps", **ABOUT, "text": "…"}, Unavailable(ONE)),
        ({"type": "danger", **ABOUT}, Unavailable(ONE)),
        ({"type": "phone", "busy": True}, Phone(busy=True)),
        ({"type": "take_alarm", "alarm": "a"}, TakeAlarm("a")),
    ],
)
def test_an_employees_frame_becomes_its_value(frame, value):
    assert parse(json.dumps(frame), STAFF) == value


@pytest.mark.parametrize(
    "frame",
    [
        "",
        "{",
        "null",
        "7",
        '"hello"',
        "[]",
        '[{"type":"ping"}]',
        "{}",
        "[" * 100_000,
        '{"type":"hello","after":NaN}',
        '{"type":"hello","after":' + "9" * 5_000 + "}",
        {"type": None},
        {"type": ["ping"]},
        {"type": "no_such_frame"},
        {"type": "__class__"},
        {"type": "accept", **ABOUT},  # the other door's
        {"type": "hello"},
        {"type": "hello", "after": -1},
        {"type": "hello", "after": True},
        {"type": "hello", "after": "3"},
        {"type": "hello", "after": 1.0},
        {"type": "hello", "after": {str(ONE): 1}},
        {"type": "read"},
        {"type": "read", "seq": None},
        {"type": "send", "text": "without an id"},
        {"type": "send", "id": 5, "text": "…"},
        {"type": "send", "id": "not-a-uuid", "text": "…"},
        {"type": "send", "id": "g" * 36, "text": "…"},
    ],
)
def test_what_cannot_be_read_as_a_chatters_frame_is_a_bad_frame(frame):
    no = refused(frame)

    assert (no.code, no.id) == (Refusal.BAD_FRAME, None)


def test_nothing_and_a_binary_frame_are_bad_frames():
    with pytest.raises(NotUnderstood):
        parse(None, CHATTER)


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "hello", "after": 0},
        {"type": "hello", "after": []},
        {"type": "hello", "after": {"somebody": 1}},
        {"type": "hello", "after": {str(ONE): "1"}},
        {"type": "hello", "after": {str(UUID(int=n)): 0 for n in range(201)}},
        {"type": "decline_call"},
        {"type": "typing"},
        {"type": "end", "conversation": None},
        {"type": "accept"},
        {"type": "accept", "conversation": 5},
        {"type": "transfer"},
        {"type": "phone"},
        {"type": "phone", "busy": 1},
        {"type": "take_alarm"},
        {"type": "take_alarm", "alarm": "a" * 65},
    ],
)
def test_what_cannot_be_read_as_an_employees_frame_is_a_bad_frame(frame):
    no = refused(frame, STAFF)

    assert (no.code, no.id, no.conversation) == (Refusal.BAD_FRAME, None, None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", Refusal.EMPTY),
        (" \n\t ", Refusal.EMPTY),
        ("\x07", Refusal.EMPTY),
        ("a" * (TEXT_CHARACTERS + 1), Refusal.TOO_LONG),
        ("👩‍👩‍👧‍👦" * 600, Refusal.TOO_LONG),
        ("nul\0", Refusal.BAD_FRAME),
        ("half a pair \ud83d", Refusal.BAD_FRAME),
        (None, Refusal.BAD_FRAME),
        (["a"], Refusal.BAD_FRAME),
    ],
)
def test_a_text_that_cannot_be_sent_is_refused_under_its_id(text, code):
    no = refused({"type": "send", "id": str(TWO), "text": text})
    of_staff = refused({"type": "send", **ABOUT, "id": str(TWO), "text": text}, STAFF)

    assert (no.code, no.id, no.conversation) == (code, TWO, None)
    assert (of_staff.code, of_staff.id, of_staff.conversation) == (code, TWO, ONE)


def test_an_unreadable_frame_of_staff_is_refused_under_its_conversation_when_that_is_known():
    assert refused({"type": "read", **ABOUT, "seq": "three"}, STAFF).conversation == ONE
    assert refused({"type": "send", **ABOUT, "id": 5, "text": "…"}, STAFF).conversation == ONE


def test_a_text_of_exactly_the_most_is_taken():
    letters, wide = "é" * TEXT_CHARACTERS, "👋" * (TEXT_BYTES // 4)

    for text in (letters, wide):
        assert parse(json.dumps({"type": "send", "id": str(ONE), "text": text}), CHATTER) == Send(ONE, text)


def test_the_length_of_a_text_is_that_of_its_composed_form():
    decomposed = "e\u0301" * TEXT_CHARACTERS

    assert parse(json.dumps({"type": "send", "id": str(ONE), "text": decomposed}), CHATTER) == Send(ONE, "é" * TEXT_CHARACTERS)


def test_a_number_beyond_what_every_client_can_count_to_is_cut_off():
    assert parse('{"type":"hello","after":99999999999999999999}', CHATTER) == Hello(protocol.MOST_NUMBER)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
fields = st.fixed_dictionaries(
    {"type": st.sampled_from(sorted({*CHATTER, *STAFF})) | json_values},
    optional={name: json_values | st.uuids().map(str) for name in ("id", "text", "conversation", "after", "seq", "assignment", "now")},
)


@given(fields.map(json.dumps) | st.text(max_size=60) | json_values.map(json.dumps), st.sampled_from([CHATTER, STAFF]))
def test_whatever_arrives_is_a_value_or_one_refusal(raw, table):
    try:
        answer = parse(raw, table)
    except NotUnderstood as no:
        answer = no.code

    assert isinstance(answer, protocol.Incoming) or answer in (Refusal.BAD_FRAME, Refusal.EMPTY, Refusal.TOO_LONG)


# ---------------------------------------------------------------- what the server says


SAID = [
    (
        protocol.Welcome(ONE, State.WAITING, 1, 4),
        {"type": "welcome", "conversation": str(ONE), "state": "waiting", "first_seq": 1, "last_seq": 4},
    ),
    (
        protocol.Entry(3, TWO, Kind.MESSAGE, Author.CHATTER, "Zij", "Hoi 👋", AT),
        {
            "type": "entry",
            "seq": 3,
            "id": str(TWO),
            "kind": "message",
            "author": "chatter",
            "name": "Zij",
            "text": "Hoi 👋",
            "at": "2026-11-24T09:00:00.250000Z",
        },
    ),
    (protocol.Ack(TWO, 3, AT), {"type": "ack", "id": str(TWO), "seq": 3, "at": "2026-11-24T09:00:00.250000Z"}),
    (protocol.RefusedFrame(None, Refusal.BAD_FRAME, "…"), {"type": "refused", "id": None, "code": "bad_frame", "detail": "…"}),
    (protocol.RefusedFrame(TWO, Refusal.ENDED, "…"), {"type": "refused", "id": str(TWO), "code": "ended", "detail": "…"}),
    (
        protocol.StateFrame(State.WAITING, 2, None, None),
        {"type": "state", "state": "waiting", "position": 2, "employee": None, "peer": None},
    ),
    (
        protocol.StateFrame(State.ACTIVE, None, "Ans", Peer.LEFT, hidden=False),
        {"type": "state", "state": "active", "position": None, "employee": "Ans", "peer": "left", "hidden": False},
    ),
    (protocol.TypingFrame(Author.EMPLOYEE), {"type": "typing", "author": "employee"}),
    (protocol.ReadFrame(Author.CHATTER, 9), {"type": "read", "author": "chatter", "seq": 9}),
    (protocol.Pong(12), {"type": "pong", "last_seq": 12}),
    (protocol.Pong({ONE: 12}), {"type": "pong", "last_seq": {str(ONE): 12}}),
    (
        protocol.Queue((protocol.WaitingChat(ONE, None, "anywhere", AT, "Zij", "", Peer.HERE),), 3, 5),
        {
            "type": "queue",
            "waiting": [
                {
                    "conversation": str(ONE),
                    "region": None,
                    "offer": "anywhere",
                    "since": "2026-11-24T09:00:00.250000Z",
                    "nickname": "Zij",
                    "role": "",
                    "peer": "here",
                }
            ],
            "room": 3,
            "version": 5,
        },
    ),
    (
        protocol.DutyFrame(True, AT, False, False, "…", (protocol.Colleague(2, "Bo", 1, True),)),
        {
            "type": "duty",
            "on_duty": True,
            "since": "2026-11-24T09:00:00.250000Z",
            "alone": False,
            "may_leave": False,
            "reason": "…",
            "colleagues": [{"id": 2, "name": "Bo", "room": 1, "connected": True}],
        },
    ),
    (protocol.Alarms(), {"type": "alarms", "standing": []}),
    (protocol.Gone("registered"), {"type": "gone", "reason": "registered"}),
    (protocol.Gone("transferred", "Bo"), {"type": "gone", "reason": "transferred", "employee": "Bo"}),
]


@pytest.mark.parametrize(("frame", "said"), SAID)
def test_the_server_says_each_frame_as_the_contract_has_it(frame, said):
    assert json.loads(frame.text()) == said
    assert frame.body() == {name: value for name, value in said.items() if name != "type"}


@pytest.mark.parametrize(("frame", "said"), [pair for pair in SAID if pair[0].type != "welcome"])
def test_to_staff_a_frame_names_its_conversation(frame, said):
    assert json.loads(frame.text(ONE)) == said | ABOUT


def test_staff_learns_in_the_welcome_what_a_page_that_was_loaded_again_needs():
    frame = protocol.StaffWelcome(State.ACTIVE, 1, 4, 2, "Zij", "self", "noord", "Zaanstad", AT)

    assert json.loads(frame.text(ONE)) == {
        "type": "welcome",
        **ABOUT,
        "state": "active",
        "first_seq": 1,
        "last_seq": 4,
        "assignment": 2,
        "nickname": "Zij",
        "role": "self",
        "region": "noord",
        "municipality": "Zaanstad",
        "since": "2026-11-24T09:00:00.250000Z",
    }


@given(st.datetimes(timezones=st.sampled_from([timezone(timedelta(hours=hours)) for hours in (-12, 0, 2, 14)])))
@example(datetime(2026, 11, 24, 10, 0, tzinfo=AMSTERDAM))
def test_a_moment_is_said_in_utc_to_the_microsecond(at):
    if not 1 < at.year < 9999:  # not every zone can say the first and the last day
        at = at.replace(year=2026, day=1)

    said = protocol.time_text(at)

    assert said.endswith("Z")
    assert datetime.fromisoformat(said) == at


# ---------------------------------------------------------------- text


STAYS = [
    "Hij slaat me.\n\tWat nu?",
    "Één café, ’s avonds om 5 uur – “stil”",
    "أنا خائفة، ماذا أفعل؟",
    "אני מפחדת",
    "מַה שְּׁלוֹמֵךְ",
    "ฉันกลัวเขา ทำอย่างไรดี",
    "मैं डरी हुई हूँ",
    "나는 무서워요",
    "怖いです",
    "👩‍👩‍👧‍👦 👨🏽‍🦽 🏳️‍🌈 ❤️‍🩹",
    "⠓⠑⠇⠏",
    "\u202bעם כיוון\u202c en \u2067أيضا\u2069",  # in a text the direction stays: the page isolates it
    "a\u200db \u200c \ufeff",
]


@pytest.mark.parametrize("text", STAYS)
def test_what_people_write_in_their_own_script_stays_as_it_is(text):
    assert normalise(unicodedata.normalize("NFC", text)) == unicodedata.normalize("NFC", text)


letters = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)
tricky = st.text(
    st.sampled_from("ae \n\r\t\x01\x7f\x85\u0301\u0323\u0344\u0345\u034f\u0958\ufb1d\u1100\u1161\u11a8\u202e\u2066"), max_size=40
)


@given(letters | tricky)
@example("e\x01\u0301")
@example("e" + "\u0301" * 20)
@example("\r\r\n")
def test_normalising_twice_changes_nothing_and_nothing_grows(text):
    once = normalise(text)

    assert normalise(once) == once
    assert unicodedata.is_normalized("NFC", once)
    assert len(once) <= len(unicodedata.normalize("NFC", text))
    assert len(once.encode()) <= len(unicodedata.normalize("NFC", text).encode())


@given(letters | tricky)
def test_nothing_that_can_deceive_or_break_a_page_is_kept(text):
    in_a_row = 0
    for letter in normalise(text):
        assert unicodedata.category(letter) != "Cc" or letter in "\n\t"
        in_a_row = in_a_row + 1 if unicodedata.combining(letter) else 0
        assert in_a_row <= COMBINING_IN_A_ROW


@given(letters)
def test_a_text_without_anything_to_drop_comes_back_as_it_was_but_composed(text):
    harmless = "".join(letter for letter in text if unicodedata.category(letter) != "Cc" and not unicodedata.combining(letter))

    assert normalise(harmless) == unicodedata.normalize("NFC", harmless)


@pytest.mark.parametrize(("typed", "stored"), [("a\r\nb", "a\nb"), ("a\rb", "a\nb"), ("a\x1b[31mb", "a[31mb"), ("\x85a\x9f", "a")])
def test_line_ends_become_one_kind_and_control_characters_go(typed, stored):
    assert normalise(typed) == stored


@given(letters | tricky)
@example("e\u202e\u0301")
@example("e" + "\u0301" * 8 + "\u2066" + "\u0301" * 8)
def test_a_nickname_stays_on_one_line_and_turns_nothing_around(text):
    name = normalise_name(text)

    assert normalise_name(name) == normalise(name) == name
    assert not set(name) & set("\n\t\u2028\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
    assert name == name.strip()


def test_a_nickname_in_hebrew_or_with_an_emoji_stays():
    assert normalise_name("  רות\n 🌸 ") == "רות 🌸"

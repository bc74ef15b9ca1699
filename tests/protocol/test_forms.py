"""Plain forms and their scripted kind: start, write, end, leave. Everything works without a script, and wrong input loses nothing."""

import re
import uuid

import pytest
from django.urls import URLPattern, get_resolver

from chat.models import Conversation, Entry
from staffing.models import Closure
from tests.client import Chatter, Employee
from tests.factories import ConversationFactory, EmployeeFactory, MunicipalityFactory, RegionFactory, writes

LONG = "a" * 4_001


@pytest.fixture
async def region(site):
    return await site.there_is(RegionFactory, open=True)


async def conversations(site) -> list[Conversation]:
    return await site.there_is(lambda: list(Conversation.objects.select_related("region").order_by("started_at")))


def cookies_set(answer) -> dict[str, str]:
    """Name → everything that a `Set-Cookie` says after its value."""
    return {line.split("=", 1)[0]: line.partition(";")[2] for line in answer.headers.get_list("set-cookie")}


# ---------------------------------------------------------------- start


async def test_starting_gives_two_halves_of_a_cookie_and_leads_back_to_the_one_address(site, region):
    answer = await Chatter(site).starts()

    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    assert cookies_set(answer) == {
        "__Host-p1": " HttpOnly; Path=/; SameSite=Lax; Secure",
        "__Host-p2": " Path=/; SameSite=Lax; Secure",
    }


async def test_with_script_the_start_is_answered_without_a_page(site, region):
    chatter = Chatter(site)

    answer = await chatter.posts("/start/", {"conversation": uuid.uuid4(), "text": "Hoi"}, script=True)

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await chatter.connects()).screen.texts == ["Hoi"]


async def test_everything_that_is_asked_may_be_left_empty(site, region):
    chatter = Chatter(site)
    await chatter.starts(nickname="", municipality="", role="", text="  ")

    line = await chatter.connects()

    assert line.frames[0]["state"] == "waiting"
    assert line.screen.texts == []


async def test_the_form_sent_twice_begins_one_conversation_and_each_cookie_opens_it(site, region):
    chatter, form = Chatter(site), uuid.uuid4()

    for _ in range(2):
        await chatter.posts("/start/", {"conversation": form, "text": "Hoi"})
        assert (await chatter.connects()).screen.texts == ["Hoi"]

    assert len(await conversations(site)) == 1


async def test_the_number_of_a_form_opens_nothing_in_another_browser(site, region):
    form = uuid.uuid4()
    await Chatter(site).posts("/start/", {"conversation": form, "text": "Hoi"})

    other = Chatter(site)
    await other.posts("/start/", {"conversation": form})

    assert len(await conversations(site)) == 2
    assert (await other.connects()).screen.texts == []


async def test_a_municipality_decides_the_region_also_by_a_synonym_and_goes_before_the_region_of_the_website(site, region):
    place = await site.there_is(MunicipalityFactory, name="'s-Gravenhage", place_names=["'s-Gravenhage", "Den Haag"])

    await Chatter(site).starts(municipality="den haag", region=region.code)

    (conversation,) = await conversations(site)
    assert conversation.region == place.region
    assert await site.there_is(conversation.municipality_code) == place.cbs_code


@pytest.mark.parametrize(
    ("fields", "kept"), [({"municipality": "Nergenshuizen"}, None), ({"region": "nergens"}, None), ({"role": "king"}, "")]
)
async def test_what_is_not_known_is_no_reason_to_refuse(site, region, fields, kept):
    answer = await Chatter(site).starts(**fields)

    (conversation,) = await conversations(site)
    assert answer.status_code == 303
    assert (conversation.region, conversation.role) == (None, "")


async def test_a_name_that_turns_text_around_is_shown_straight(site, region, employee):
    await Chatter(site).starts(nickname="\u202eAns\n van  Veilig Thuis")
    await site.settled()

    assert [chat["nickname"] for chat in employee.line.screen.queue[0]] == ["Ans van Veilig Thuis"]


@pytest.mark.parametrize(("field", "value"), [("nickname", "N" * 41), ("text", LONG), ("text", "a\0b"), ("nickname", "a\0b")])
async def test_a_start_that_is_refused_comes_back_with_what_was_typed(site, region, field, value):
    chatter = Chatter(site)
    typed = {"nickname": "Zij", "municipality": "Zaandam", "text": "Ik ben bang"} | {field: value}

    page = await chatter.starts(**typed)
    script = await chatter.posts("/start/", {"conversation": uuid.uuid4(), **typed}, script=True)

    assert page.status_code == script.status_code == 400
    assert all(text in page.text for text in typed.values() if "\0" not in text)
    assert list(script.json()["errors"]) == [field]
    assert all(isinstance(text, str) and text for text in script.json()["errors"][field])
    assert await conversations(site) == []


async def test_a_nickname_of_40_characters_is_not_too_long(site, region):
    assert (await Chatter(site).starts(nickname="é" * 40)).status_code == 303


async def test_when_the_line_is_closed_nothing_begins_and_the_page_names_the_telephone(site, region):
    chatter = Chatter(site)
    await chatter.gets("/")
    site.clock.at("2026-11-24 17:00")

    page = await chatter.posts("/start/", {"text": "Ik ben bang"})
    script = await chatter.posts("/start/", {"text": "Ik ben bang"}, script=True)

    assert page.status_code == script.status_code == 503
    assert "0800-2000" in page.text
    assert script.json()["code"] == "closed"
    assert "0800-2000" in script.json()["detail"]
    assert (await conversations(site), await site.there_is(Entry.objects.count)) == ([], 0)


async def test_a_form_that_has_begun_its_conversation_is_answered_after_closing_too(site, region):
    chatter, form = Chatter(site), uuid.uuid4()
    await chatter.posts("/start/", {"conversation": form})
    site.clock.at("2026-11-24 17:00")

    assert (await chatter.posts("/start/", {"conversation": form})).status_code == 303


async def test_a_decision_to_close_counts_at_once_and_leaves_running_conversations_alone(site, talk, chatter, employee):
    await site.there_is(Closure.objects.create, reason="Storing", starts_at=site.clock.now())

    assert (await Chatter(site).starts()).status_code == 503
    id = chatter.line.sends("Ik ben er nog")
    assert await chatter.line.hears("ack", id=id)


@pytest.mark.parametrize(
    ("fields", "accepts", "language"),
    [({}, "nl", "nl"), ({}, "en-GB,en;q=0.8", "en"), ({}, "fr", "nl"), ({"lang": "en"}, "nl", "en"), ({"lang": "xx"}, "en", "en")],
)
async def test_the_language_of_the_start_is_kept_with_the_conversation(site, region, fields, accepts, language):
    chatter = Chatter(site, language=accepts)
    await chatter.starts(**fields)
    chatter.http.headers["Accept-Language"] = "nl" if language == "en" else "en"

    page = await chatter.gets("/")
    line = await chatter.connects()
    line.says("no such frame")

    assert f'<html lang="{language}"' in page.text
    assert (await line.hears("refused"))["detail"].startswith("This" if language == "en" else "Dit")


# ---------------------------------------------------------------- writing


async def test_a_plain_form_sends_a_message_once(site, employee, talk, chatter):
    id = uuid.uuid4()

    for _ in range(2):
        answer = await chatter.posts("/entries/", {"id": id, "text": "Hoi"})
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    page = await chatter.gets("/")
    await site.settled()

    assert employee.line.screen.texts[1:] == ["Hoi"]
    assert page.text.count("Hoi") == 1


@pytest.mark.parametrize(
    ("id", "text", "status", "code"),
    [
        (uuid.UUID(int=1), " ", 400, "empty"),
        (uuid.UUID(int=1), LONG, 400, "too_long"),
        (uuid.UUID(int=1), "a\0", 400, "bad_frame"),
        (uuid.UUID(int=1), 5, 400, "bad_frame"),
        (uuid.UUID(int=1), None, 400, "bad_frame"),
        ("no id", "Hoi", 400, "bad_frame"),
        (uuid.UUID(int=7), "Iets anders", 409, "id_reused"),
    ],
)
async def test_a_message_by_script_is_refused_with_the_frame(site, talk, chatter, id, text, status, code):
    await chatter.writes("Hoi", uuid.UUID(int=7))

    answer = await chatter.posts_json("/entries/", {"id": id, "text": text})

    refused = answer.json()
    assert (answer.status_code, refused["type"], refused["code"]) == (status, "refused", code)
    assert refused["id"] == (str(id) if isinstance(id, uuid.UUID) else None)
    assert refused["detail"]


@pytest.mark.parametrize("body", ["", "{", "[]", "7", "[" * 50_000])
async def test_what_is_no_json_is_refused(site, talk, chatter, body):
    answer = await chatter.posts_json("/entries/", body)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad_frame")


@pytest.mark.parametrize(("id", "text", "status"), [(uuid.UUID(int=1), LONG, 400), (uuid.UUID(int=7), "Iets anders", 409)])
async def test_a_refused_form_comes_back_with_its_text_and_the_reason(site, talk, chatter, id, text, status):
    """P3."""
    await chatter.writes("Hoi", uuid.UUID(int=7))

    page = await chatter.posts("/entries/", {"id": id, "text": text})

    assert page.status_code == status
    assert text in page.text
    assert len(await site.there_is(lambda: list(Entry.objects.filter(conversation=talk)))) == 2


async def test_a_form_that_comes_after_the_end_shows_what_was_not_sent_and_nothing_earlier(site, employee, talk, chatter):
    await site.there_is(writes, talk, "Ik ben bang")
    await chatter.gets("/")
    employee.line.says("end", conversation=talk.pk)
    await employee.line.hears("state", state="ended")

    page = await chatter.posts("/entries/", {"id": uuid.uuid4(), "text": "Wacht <b>nog</b> even"})

    assert page.status_code == 409
    assert "Wacht &lt;b&gt;nog&lt;/b&gt; even" in page.text
    assert "Ik ben bang" not in page.text


async def test_end_by_form_and_by_script(site, employee, talk, chatter):
    form = await chatter.posts("/end/")
    again = await chatter.posts("/end/", script=True)

    assert (form.status_code, form.headers["Location"], again.status_code) == (303, "/", 204)
    assert (await employee.line.hears("state", state="ended"))["conversation"] == str(talk.pk)


async def test_without_a_conversation_there_is_nothing_to_write_or_end(site):
    chatter = Chatter(site)

    assert (await chatter.writes("Hoi")).json()["code"] == "not_found"
    assert (await chatter.posts("/end/")).status_code == 404
    assert (await chatter.gets("/entries/")).status_code == 404


# ---------------------------------------------------------------- leaving


def goodbye(answer) -> tuple[set[str], str]:
    gone = {name for name, rest in cookies_set(answer).items() if "Max-Age=0" in rest}
    return gone, answer.headers["Clear-Site-Data"]


BOTH = {"__Host-p1", "__Host-p2"}


async def test_the_beacon_of_the_exit_suffices_with_the_half_that_no_script_can_delete(site, settings, employee, talk, chatter):
    """threat-model 4.2: the script has deleted the other half already, so that the exit holds without an answer."""
    await chatter.gets("/")
    chatter.forgets(settings.CHATTER_COOKIE_SCRIPT)

    answer = await chatter.posts("/leave/", Accept="*/*", **{"Sec-Fetch-Mode": "no-cors"})
    await site.settled()

    assert (answer.status_code, answer.content) == (204, b"")
    assert goodbye(answer) == (BOTH, '"storage"')
    assert chatter.line.code == 4409
    assert employee.line.screen.states[str(talk.pk)]["peer"] == "left"
    assert (await site.there_is(Conversation.objects.get)).state == "active"


async def test_the_exit_by_a_form_is_an_empty_page_that_moves_on(site, settings, talk, chatter):
    for headers in ({"Sec-Fetch-Mode": "navigate"}, {"Accept": "text/html"}):
        answer = await chatter.posts("/leave/", **headers)

        assert answer.status_code == 200
        assert answer.headers["Refresh"] == f"0;url={settings.EXIT_TARGET}"
        assert re.search(r"<body>\s*</body>", answer.text)
        assert goodbye(answer) == (BOTH, '"storage"')


async def test_after_the_exit_the_old_cookie_opens_nothing(site, talk, chatter):
    await chatter.posts("/leave/")
    replay = Chatter(site).holds(talk.secret)

    assert (await replay.polls()).status_code == 404
    assert (await replay.opens("/ws/chatter/")).code == 4404
    assert "Start" in (await replay.gets("/")).text


async def test_nothing_is_written_to_whoever_left(site, employee, talk, chatter):
    await chatter.posts("/leave/")
    await site.settled()

    employee.line.sends("Ben je er nog?", conversation=talk.pk)

    assert (await employee.line.hears("refused"))["code"] == "not_allowed"


async def test_leaving_without_a_conversation_looks_the_same(site):
    answer = await Chatter(site).posts("/leave/", Accept="*/*", **{"Sec-Fetch-Mode": "no-cors"})

    assert (answer.status_code, goodbye(answer)) == (204, (BOTH, '"storage"'))


async def test_a_waiting_chat_that_was_left_stays_in_the_queue_and_says_so(site, employee):
    conversation = await site.there_is(ConversationFactory, region=employee.who.region)
    chatter = Chatter(site).holds(conversation.secret)

    await chatter.posts("/leave/")
    await site.settled()

    assert [chat["peer"] for chat in employee.line.screen.queue[0]] == ["left"]


# ---------------------------------------------------------------- forged forms


def addresses() -> list[str]:
    """Every address of ours that is not the admin's."""
    found = [pattern.pattern for pattern in get_resolver().url_patterns if isinstance(pattern, URLPattern)]
    return [f"/{route}" for route in map(str, found) if "<" not in route]


POSTS = ["/start/", "/entries/", "/end/", "/leave/", "/staff/login/", "/staff/logout/", "/staff/duty/start/", "/staff/duty/end/"]


@pytest.mark.parametrize("address", POSTS)
async def test_a_post_without_the_token_of_this_browser_is_refused(site, talk, chatter, employee, address):
    """N6."""
    person: Chatter | Employee = employee if address.startswith("/staff/") else chatter
    await person.gets("/")
    stranger = Chatter(site)
    await stranger.gets("/")

    for token in ("", "x" * 64, stranger._token):
        person._token = token or "none"
        assert (await person.posts(address, {"csrfmiddlewaretoken": token})).status_code == 403
        assert (await person.posts(address, script=True)).status_code == 403
    person._token = ""
    assert (await person.posts(address, Origin="https://example.nl")).status_code == 403
    assert (await site.there_is(Conversation.objects.get)).left_at is None


async def test_every_address_that_changes_something_is_among_those(site):
    taking = []
    for address in addresses():
        answer = await Chatter(site).http.post(address, headers={"Origin": "https://localhost", "Accept": "text/html"})
        if answer.status_code == 403:
            taking.append(address)
        else:
            assert answer.status_code in (301, 302, 405), (address, answer.status_code)

    assert set(taking) >= set(POSTS)


@pytest.mark.parametrize("address", ["/start/", "/end/", "/leave/", "/staff/logout/", "/staff/duty/start/", "/staff/duty/end/"])
async def test_what_changes_something_cannot_be_asked_for_by_a_link(site, address):
    assert (await Chatter(site).gets(address)).status_code == 405


# ---------------------------------------------------------------- duty


async def test_duty_by_plain_http(site):
    who = await site.there_is(EmployeeFactory)
    await site.there_is(EmployeeFactory, on_duty=True, region=who.region)
    employee = await Employee(site).logs_in(who)

    begun = [(await employee.posts("/staff/duty/start/", script=True)).status_code for _ in range(2)]
    ended = await employee.posts("/staff/duty/end/", script=True)
    again = await employee.posts("/staff/duty/end/", script=True)

    assert begun == [204, 204]
    assert ended.status_code == 204
    assert (again.status_code, again.json()["code"]) == (409, "not_on_duty")


async def test_duty_begins_half_an_hour_before_opening_and_not_earlier(site):
    employee = await Employee(site).logs_in(await site.there_is(EmployeeFactory))

    site.clock.at("2026-11-24 08:29")
    early = await employee.posts("/staff/duty/start/", script=True)
    site.clock.at("2026-11-24 08:30")

    assert (early.status_code, early.json()["code"]) == (409, "too_early")
    assert (await employee.posts("/staff/duty/start/", script=True)).status_code == 204


async def test_duty_needs_a_login(site):
    assert (await Chatter(site).posts("/staff/duty/start/", script=True)).status_code == 403


async def test_a_message_beyond_all_bounds_is_refused_as_too_long(site, talk):
    answer = await Chatter(site).holds(talk.secret).posts_json("/entries/", {"id": uuid.uuid4(), "text": "x" * 200_000})

    assert (answer.status_code, answer.json()["code"]) == (400, "too_long")

"""Who gets in, who gets nothing, and whose right ends while the line is open (threat-model N6, N9, S3; the close codes)."""

import asyncio
import re
import uuid

import pytest
from django.contrib.sessions.models import Session

from chat.models import Conversation, Credential
from config.asgi import AddressDigest
from staffing.models import Role
from tests.client import ORIGIN, Chatter, Employee, session_of
from tests.factories import ConversationFactory, EmployeeFactory, RegionFactory

# ---------------------------------------------------------------- origins


@pytest.mark.hints
@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        ("https://localhost", "localhost", True),
        ("https://localhost:8443", "localhost:8443", True),
        ("https://chat.example.nl", "localhost", True),  # trusted
        (None, "localhost", False),
        ("", "localhost", False),
        ("null", "localhost", False),
        ("http://localhost", "localhost", False),
        ("https://localhost:8443", "localhost", False),
        ("https://localhost", "localhost:8443", False),
        ("https://localhost.example.nl", "localhost", False),
        ("https://example.nl", "localhost", False),
        ("https://user@localhost", "localhost", False),
        ("https://localhost/", "localhost", True),
        ("http://chat.example.nl", "localhost", False),
        ("https://chat.example.nl:444", "localhost", False),
        ("https://[", "localhost", False),
        ("https://example.nl", "example.nl", False),  # not one of our hosts
        ("file://", "localhost", False),
    ],
)
@pytest.mark.parametrize("path", ["/ws/chatter/", "/ws/staff/"])
async def test_only_our_own_page_and_trusted_origins_get_a_line(site, settings, path, origin, host, allowed):
    settings.CSRF_TRUSTED_ORIGINS = ["https://chat.example.nl"]

    line = await Chatter(site).opens(path, origin=origin, host=host)

    nobody = 4404 if path == "/ws/chatter/" else 4401
    assert await line.closes() == (nobody if allowed else 4403)


async def test_a_page_of_another_origin_hears_nothing_even_with_the_cookies(site, talk, chatter, employee):
    for person, path in ((chatter, "/ws/chatter/"), (employee, "/ws/staff/")):
        line = await person.opens(path, origin="https://example.nl")
        line.says("hello", after={} if person is employee else 0)
        await site.settled()

        assert (line.code, line.frames) == (4403, [])


async def test_behind_a_proxy_the_scheme_is_what_the_proxy_says(site, settings, talk, chatter):
    settings.TRUSTED_PROXIES = 1
    plain, secure = Chatter(site).holds(talk.secret), Chatter(site).holds(talk.secret)
    plain.headers |= {"X-Forwarded-Proto": "http"}
    secure.headers |= {"X-Forwarded-Proto": "https"}

    assert (await plain.opens("/ws/chatter/")).code == 4403
    assert (await secure.opens("/ws/chatter/")).code is None


async def test_a_socket_at_an_address_that_is_none_is_refused(site):
    assert (await Chatter(site).opens("/ws/nothing/")).code == 4404


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        (["198.51.100.9, 203.0.113.77"], "203.0.113.77"),
        (["198.51.100.9", "203.0.113.77"], "203.0.113.77"),  # a proxy that adds a line of its own
        (["198.51.100.9, 203.0.113.77,"], "203.0.113.77"),
        ([], "192.0.2.77"),
    ],
)
def test_the_address_is_the_one_that_the_trusted_proxy_has_added(settings, lines, address):
    settings.TRUSTED_PROXIES = 1
    scope = {"client": ("192.0.2.77", 1), "headers": [(b"x-forwarded-for", line.encode()) for line in lines]}

    assert AddressDigest.address(scope) == address


def test_an_ipv4_address_has_the_same_digest_however_it_is_written():
    digest = AddressDigest(None).digest

    assert digest("::ffff:192.0.2.77") == digest("192.0.2.77") != digest("::ffff:198.51.100.9")


# ---------------------------------------------------------------- the chatter's cookie


async def test_without_a_conversation_the_line_is_closed(site):
    line = await Chatter(site).opens("/ws/chatter/")

    assert (line.code, line.frames) == (4404, [])


@pytest.mark.parametrize("half", ["CHATTER_COOKIE", "CHATTER_COOKIE_SCRIPT"])
async def test_one_half_of_the_cookie_opens_nothing(site, settings, talk, half):
    chatter = Chatter(site).holds(talk.secret)
    chatter.forgets(getattr(settings, half))

    assert (await chatter.opens("/ws/chatter/")).code == 4404
    assert (await chatter.polls()).status_code == 404
    assert (await chatter.writes("Hoi")).status_code == 404
    assert (await chatter.posts("/end/", script=True)).status_code == 404
    assert "Start" in (await chatter.gets("/")).text


@pytest.mark.parametrize("foreign", ['{"consent":"a b"}', '"a,b', "a[b", "\xe9"])
async def test_a_cookie_that_another_page_of_the_domain_has_set_costs_nobody_the_line(site, talk, foreign):
    ours = f"__Host-p1={talk.secret.first}; __Host-p2={talk.secret.second}"
    chatter = Chatter(site)
    chatter.headers["Cookie"] = f"other={foreign}; expires; {ours}"

    assert (await chatter.opens("/ws/chatter/")).code is None
    assert (await chatter.http.get("/entries/", headers={"Cookie": chatter.headers["Cookie"].encode("latin-1")})).status_code == 200


async def test_of_two_start_forms_at_the_same_moment_both_cookies_open_the_conversation(site, employee):
    """Whichever answer the browser takes last counts: the one must not take back the cookie of the other."""
    first = Chatter(site)
    page = await first.gets("/")
    again = [Chatter(site) for _ in range(5)]
    for browser in again:
        browser.keeps(**first.cookies)
        await browser.gets("/")
    form = {"conversation": re.search(r'name="conversation" value="([^"]+)"', page.text)[1]}

    for _ in range(5):
        await asyncio.gather(*(browser.posts("/start/", form) for browser in again))

        opened = [(await browser.opens("/ws/chatter/")).code for browser in again]
        assert opened == [None] * 5


async def test_after_a_quick_exit_the_start_form_from_the_history_leads_nowhere(site, employee):
    chatter = Chatter(site)
    form = {"conversation": re.search(r'name="conversation" value="([^"]+)"', (await chatter.gets("/")).text)[1], "text": "geheim"}
    await chatter.posts("/start/", form)
    await chatter.posts("/leave/")

    await chatter.posts("/start/", form)

    assert "geheim" not in (await chatter.gets("/")).text
    assert (await chatter.opens("/ws/chatter/")).code == 4404
    assert (await chatter.polls()).status_code == 404


async def test_halves_of_two_conversations_open_neither(site, talk):
    other = await site.there_is(ConversationFactory)
    chatter = Chatter(site).holds(type(talk.secret)(talk.secret.first, other.secret.second))

    assert (await chatter.opens("/ws/chatter/")).code == 4404


async def test_the_number_of_a_conversation_opens_nothing(site, talk):
    """N9: ids give no rights; what is not yours is as what is not there."""
    chatter = Chatter(site)
    chatter.keeps(**{"__Host-p1": str(talk.pk), "__Host-p2": str(talk.pk)})

    theirs, nowhere = await chatter.polls(), await Chatter(site).polls()

    assert (theirs.status_code, theirs.content) == (nowhere.status_code, nowhere.content)
    assert (await chatter.opens("/ws/chatter/")).code == 4404


async def test_a_saved_cookie_is_worthless_half_an_hour_after_the_last_sign_of_life(site, settings, talk, chatter):
    """D6: a browser that restores its session must not open the conversation."""
    await site.passes(seconds=1)  # signs of life are written once a second
    await chatter.line.hangs_up()
    site.clock.forward(minutes=29, seconds=58)
    assert (await chatter.opens("/ws/chatter/")).code is None
    for socket in site.sockets:
        await socket.hangs_up()

    site.clock.forward(minutes=30)

    assert (await chatter.opens("/ws/chatter/")).code == 4404
    assert (await chatter.polls()).status_code == 404
    assert "Start" in (await chatter.gets("/")).text


async def test_a_quick_exit_ends_every_line_of_that_browser(site, talk, chatter):
    second_tab = await chatter.opens("/ws/chatter/")
    second_tab.says("hello", after=0)
    await second_tab.hears("state")

    await chatter.posts("/leave/")

    assert await chatter.line.closes() == await second_tab.closes() == 4409


async def test_a_line_whose_right_is_taken_back_ends_within_a_round(site, talk, chatter):
    await site.there_is(Credential.objects.filter(conversation=talk).delete)

    await site.passes(seconds=12)

    assert chatter.line.code == 4409


# ---------------------------------------------------------------- the employee's session


async def test_without_a_login_there_is_no_staff_line(site):
    assert (await Chatter(site).opens("/ws/staff/")).code == 4401


@pytest.mark.parametrize("fields", [{"role": Role.MANAGER}, {"role": Role.ADMINISTRATOR}, {"region": None}])
async def test_who_does_not_answer_chats_has_no_staff_line(site, fields):
    employee = await Employee(site).logs_in(await site.there_is(EmployeeFactory, **fields))

    assert (await employee.opens("/ws/staff/")).code == 4403


async def test_a_coordinator_answers_chats_too(site):
    coordinator = await Employee(site).logs_in(await site.there_is(EmployeeFactory, role=Role.COORDINATOR))

    assert await coordinator.connects()


def change(employee, **fields):
    for name, value in fields.items():
        setattr(employee, name, value)
    employee.save(update_fields=fields)


def log_out_everywhere(employee):
    Session.objects.all().delete()


RIGHT_ENDS = {
    "the session is gone": log_out_everywhere,
    "the password is new": lambda employee: change(employee, password="another"),
    "the account is off": lambda employee: change(employee, is_active=False),
    "the role is another": lambda employee: change(employee, role=Role.MANAGER),
    "the region is gone": lambda employee: change(employee, region=None),
}


@pytest.mark.parametrize("how", RIGHT_ENDS)
async def test_a_staff_line_ends_with_its_right_within_one_heartbeat(site, employee, talk, how):
    await site.there_is(RIGHT_ENDS[how], employee.who)

    await site.passes(seconds=12)

    assert employee.line.code == 4401


@pytest.mark.parametrize("how", RIGHT_ENDS)
async def test_an_accept_looks_at_the_right_anew(site, employee, how):
    """S3: Channels keeps the user object of the connect."""
    conversation = await site.there_is(ConversationFactory, region=employee.who.region)
    await site.there_is(RIGHT_ENDS[how], employee.who)

    employee.line.says("accept", conversation=conversation.pk)
    refused = await employee.line.hears("refused")

    assert refused["code"] == "not_allowed"
    assert (await site.there_is(type(conversation).objects.get)).state == "waiting"


async def test_logging_out_ends_the_line_and_the_duty(site, employee):
    await site.there_is(EmployeeFactory, on_duty=True, region=employee.who.region)

    answer = await employee.posts("/staff/logout/")
    await site.passes(seconds=12)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/staff/login/")
    assert employee.line.code == 4401
    assert (await employee.gets("/staff/")).status_code == 302


async def test_logging_out_is_refused_as_long_as_leaving_is(site, employee, talk):
    answer = await employee.posts("/staff/logout/", script=True)
    page = await employee.posts("/staff/logout/")

    assert (answer.status_code, answer.json()["code"]) == (409, "holds_conversations")
    assert (page.status_code, "lopende gesprekken" in page.text) == (409, True)
    assert (await employee.gets("/staff/")).status_code == 200


async def test_one_employees_session_opens_nothing_of_another_region(site, talk, chatter):
    region = await site.there_is(RegionFactory, open=True)
    stranger = await Employee(site).logs_in(await site.there_is(EmployeeFactory, on_duty=True, region=region))

    line = await stranger.connects({talk.pk: 0})
    line.take()
    for frame in ("typing", "end", "send"):
        line.says(frame, conversation=talk.pk, id=uuid.uuid4(), text="Hoi")
    await site.settled()

    assert [frame["code"] for frame in line.take("queue", "duty")] == ["not_found"] * 3
    assert line.screen.logs == {}
    assert (await site.there_is(type(talk).objects.get)).state == "active"


async def test_a_chatters_cookie_opens_no_staff_line_and_the_reverse(site, talk, chatter, employee):
    assert (await chatter.opens("/ws/staff/")).code == 4401
    assert (await employee.opens("/ws/chatter/")).code == 4404


async def test_a_session_that_is_only_claimed_is_none(site, settings, employee):
    pretender = Employee(site)
    pretender.keeps(**{settings.SESSION_COOKIE_NAME: "x" * 32})
    assert (await pretender.opens("/ws/staff/")).code == 4401
    pretender.keeps(**{settings.SESSION_COOKIE_NAME: await site.there_is(session_of, employee.who)})
    assert (await pretender.opens("/ws/staff/", origin=ORIGIN)).code is None


# ---------------------------------------------------------------- forms of other sites (N6)


@pytest.mark.parametrize("site_of_form", ["cross-site", "same-site"])
async def test_a_form_of_another_site_begins_nothing_even_with_a_token(site, employee, site_of_form):
    chatter = Chatter(site)

    answer = await chatter.posts("/start/", {"conversation": str(uuid.uuid4())}, **{"Sec-Fetch-Site": site_of_form})

    assert answer.status_code == 403
    assert await site.there_is(Conversation.objects.count) == 0
    assert (await chatter.posts("/start/", {}, **{"Sec-Fetch-Site": "same-origin"})).status_code == 303

"""Process 1.2, step Start chat: somebody opens the page and begins a conversation, and waits."""

import asyncio
import re
from datetime import timedelta

import pytest
from playwright.async_api import expect

from tests.client import Chatter
from tests.factories import ConversationFactory, EmployeeFactory, MunicipalityFactory, RegionFactory
from tests.people import People

LONG_NAME = "x" * 41


async def test_the_first_words_stand_in_the_conversation_before_anybody_has_come(people):
    chatter = await people.chatter()

    await chatter.starts("Roos", role="Over mijzelf", text="Ik weet niet of dit hier hoort.")

    await chatter.reads("Ik weet niet of dit hier hoort.")
    await chatter.is_told("We zoeken een medewerker voor je.")
    await chatter.is_told("Je bent de eerste die aan de beurt is.")


async def test_who_waits_may_write_already_and_reads_that_it_arrived(people):
    chatter = await people.chatter()
    await chatter.starts("Wies")

    await chatter.sends("Ben je er?")

    await chatter.sees("Ben je er?", "Verstuurd")


async def test_the_place_in_the_queue_is_told_and_moves(people):
    first, second = await people.chatter(), await people.chatter()
    await first.starts("Eerste")
    await second.starts("Tweede")
    await second.is_told("Er is nog 1 persoon voor je.")

    await first.stops()

    await second.is_told("Je bent de eerste die aan de beurt is.")


async def test_a_reload_while_waiting_finds_the_same_conversation_at_the_same_place(people):
    chatter, behind, employee = await people.chatter(), await people.chatter(), await people.employee()
    await chatter.starts("Sam", text="Mijn eerste woorden")
    await behind.starts("Bo")

    await chatter.reloads()

    await chatter.reads("Mijn eerste woorden")
    await chatter.is_told("Je bent de eerste die aan de beurt is.")
    await behind.is_told("Er is nog 1 persoon voor je.")
    await employee.sees_waiting("Bo")
    await expect(employee.waiting("Sam")).to_have_count(1)


async def test_the_whole_start_adds_nothing_to_the_history_and_leaves_one_address(people, line):
    """threat-model D4."""
    chatter = await people.chatter()
    await chatter.opens("?region=zaanstreek-waterland&lang=nl")
    await chatter.page.wait_for_function("location.href === location.origin + '/'")
    before = await chatter.page.evaluate("history.length")

    await chatter.presses("Start de chat")
    await expect(chatter.box).to_be_visible()
    await chatter.sends("Hallo")
    await chatter.sees("Hallo", "Verstuurd")

    assert await chatter.page.evaluate("history.length") == before
    assert chatter.page.url == f"{line.base}/"


async def test_pressing_twice_begins_one_conversation(people):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.opens()
    await chatter.page.get_by_role("textbox", name="Hoe mogen we je noemen?").fill("Dubbel")

    await chatter.button("Start de chat").dblclick()

    await expect(chatter.box).to_be_visible()
    await employee.sees_waiting("Dubbel")
    await expect(employee.waiting("Dubbel")).to_have_count(1)


async def test_a_start_on_a_bad_line_says_so_and_begins_one_conversation_later(people, proxy):
    chatter, employee = await people.chatter(base=proxy.base), await people.employee()
    await chatter.opens()
    await chatter.page.get_by_role("textbox", name="Hoe mogen we je noemen?").fill("Nog eens")
    proxy.cuts()

    await chatter.presses("Start de chat")
    await expect(chatter.page.get_by_text("Dat lukte niet.")).to_be_visible()
    proxy.passes()
    await chatter.presses("Start de chat")

    await expect(chatter.box).to_be_visible()
    await employee.sees_waiting("Nog eens")
    await expect(employee.waiting("Nog eens")).to_have_count(1)


async def test_a_name_that_is_too_long_is_told_at_its_field_and_nothing_typed_is_lost(people):
    chatter = await people.chatter()
    await chatter.opens()
    name = chatter.page.get_by_role("textbox", name="Hoe mogen we je noemen?")
    await name.fill(LONG_NAME)
    await chatter.municipality.fill("Volendam")

    await chatter.presses("Start de chat")

    await expect(name).to_have_attribute("aria-invalid", "true")
    await expect(name).to_have_accessible_description(re.compile("Deze naam is te lang"))
    await expect(name).to_have_value(LONG_NAME)
    await expect(chatter.municipality).to_have_value("Volendam")


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_a_closed_line_says_when_it_opens_and_whom_to_call_and_a_waiting_chat_goes_on(people, line, scripts):
    waiting, late = await people.chatter(), await people.chatter(java_script_enabled=scripts)
    await waiting.starts("Vroeg")
    await late.opens()
    await asyncio.to_thread(line.manage, "close", "--reason", "storing")
    try:
        await late.page.get_by_role("textbox", name="Hoe mogen we je noemen?").fill("Laat")
        await late.presses("Start de chat")
        await expect(late.page.get_by_text("0800-2000").first).to_be_visible()
        await expect(late.box).to_have_count(0)

        await late.opens("?region=zaanstreek-waterland")
        await expect(late.page.get_by_role("heading", name="De chat is nu dicht")).to_be_visible()
        if scripts:  # threat-model D4
            await late.page.wait_for_function("location.href === location.origin + '/'")
        await expect(late.button("Start de chat")).to_have_count(0)
        await expect(late.way_out).to_be_visible()
        await waiting.sends("Ik ben er nog")
        await waiting.sees("Ik ben er nog", "Verstuurd")
    finally:
        await asyncio.to_thread(line.manage, "open")
    await late.opens()
    await late.sees_the_start()


async def test_the_start_page_has_the_names_of_the_contract(people):
    chatter = await people.chatter()
    await chatter.opens()

    await expect(chatter.page.get_by_role("textbox", name="Hoe mogen we je noemen?", exact=True)).to_be_visible()
    await expect(chatter.municipality).to_be_visible()
    for name in ("Start de chat", "Verlaat deze site snel"):
        await expect(chatter.button(name)).to_be_visible()
    assert await chatter.page.locator("html").get_attribute("lang") == "nl"


# ---------------------------------------------------------------- when it is open, by the clock


@pytest.mark.parametrize(
    ("moment", "is_open", "opens"),
    [
        ("2026-11-24 08:59", False, "vandaag vanaf 09:00"),
        ("2026-11-24 09:00", True, ""),
        ("2026-11-24 16:59", True, ""),
        ("2026-11-24 17:00", False, "morgen vanaf 09:00"),
        ("2026-11-27 17:00", False, "maandag 30 november vanaf 09:00"),
        ("2026-11-28 10:00", False, "maandag 30 november vanaf 09:00"),
        ("2026-12-24 17:00", False, "maandag 28 december vanaf 09:00"),  # after Christmas
        ("2027-03-26 10:00", True, ""),  # Good Friday
        ("2027-03-26 17:00", False, "dinsdag 30 maart vanaf 09:00"),  # Easter, and the clock goes forward
        ("2027-10-29 17:00", False, "maandag 1 november vanaf 09:00"),  # the clock goes back
    ],
)
async def test_open_on_working_days_from_nine_to_five_says_page_status_and_start_alike(site, moment, is_open, opens):
    region = await site.there_is(RegionFactory, open=True)
    site.clock.at(moment)
    chatter = Chatter(site)

    page, status = await chatter.gets("/"), await chatter.gets(f"/status.json?region={region.code}")
    start = await chatter.posts("/start/", {"region": region.code})

    assert status.json()["open"] is is_open
    assert ("Start de chat" in page.text) is is_open
    assert start.status_code == (303 if is_open else 503)
    assert is_open or f"Je kunt weer chatten {opens}." in page.text


# ---------------------------------------------------------------- what is refused


def counted(site) -> dict[tuple[str, str], int]:
    from staffing import tally
    from staffing.models import Count

    tally.flush()
    return {(count.what, count.region): count.number for count in Count.objects.all()}


async def test_every_refused_start_is_counted_with_its_reason(site, settings, monkeypatch):
    from django.core.cache import cache

    from chat import log

    place = await site.there_is(MunicipalityFactory, name="Zaandam", region__open=True)
    here, chatter = place.region.code, Chatter(site)
    cache.clear()
    settings.START_RATE = (1, timedelta(minutes=10))

    await chatter.starts(region=here, text="a" * 4_001)
    await chatter.starts(region=here, nickname="a\0b")
    await chatter.posts("/start/", {"csrfmiddlewaretoken": "of another browser"})
    await chatter.starts(region=here)
    too_fast = await chatter.posts("/start/", {"municipality": "zaandam"}, script=True)
    with monkeypatch.context() as busy:
        busy.setattr(log, "waiting", lambda: settings.OVERLOADED + 1)
        await chatter.posts("/start/", script=True)
    site.clock.at("2026-11-24 17:00")
    for region in (here, here, "nergens"):
        await chatter.posts("/start/", {"region": region})
    await chatter.gets("/")  # a closed page that is shown is no start

    assert await site.there_is(counted, site) == {
        ("start_refused/too_long", here): 1,
        ("start_refused/bad_frame", here): 1,
        ("start_refused/not_allowed", ""): 1,
        ("start_refused/too_fast", here): 1,
        ("start_refused/unavailable", ""): 1,
        ("start_refused/closed", here): 2,
        ("start_refused/closed", ""): 1,
    }
    assert (too_fast.status_code, too_fast.json()["code"]) == (429, "too_fast")
    assert "0800-2000" in too_fast.json()["detail"]
    cache.clear()


# ---------------------------------------------------------------- who waits


async def test_who_waits_long_reads_it_while_the_page_stands_open_and_the_number_stays_whole(browser, running_with):
    """At 320 px, where a number would break at its hyphen."""
    everybody = People(browser, running_with(OVERFLOW_AFTER="3").base, "https://weather.example/", {})
    scripted = await everybody.chatter(width=320)
    plain = await everybody.chatter(width=320, java_script_enabled=False)
    await scripted.opens()
    await whole_numbers(scripted)

    await scripted.starts("Lang")
    await scripted.is_told("Fijn dat je er bent. We zoeken een medewerker voor je.")
    await scripted.is_told("Je bent de eerste die aan de beurt is. Het duurt langer dan we willen. We zoeken nu ook bij andere regio's.")
    await scripted.is_told("Bel dan 0800-2000.")
    await whole_numbers(scripted)
    await scripted.reloads()
    await scripted.is_told("Het duurt langer dan we willen.")

    await plain.starts("Lang zonder script")
    await expect(
        plain.page.get_by_text(re.compile(r"^Zo was het om \d\d:\d\d\. Hoe het nu is, staat bij 'Nieuwe berichten'\.$"))
    ).to_be_visible()
    frame = plain.page.frame_locator("iframe[title='Nieuwe berichten']")
    await expect(frame.get_by_text("Het duurt langer dan we willen.")).to_be_visible()
    await whole_numbers(plain)
    await everybody.go()


async def whole_numbers(chatter) -> None:
    """Each telephone number that is shown stands on one line."""
    lines = "all => all.map((one) => one.getClientRects().length).filter(Boolean)"
    shown = await chatter.page.locator(".number").evaluate_all(lines)
    assert shown
    assert set(shown) == {1}


async def test_who_waits_longer_than_overflow_after_reads_that_other_regions_look_too_and_whom_to_call(site, settings):
    quick = await site.there_is(RegionFactory, open=True, overflow_after=timedelta(seconds=20))
    usual = await site.there_is(RegionFactory, open=True)
    long = "Het duurt langer dan we willen. We zoeken nu ook bij andere regio&#x27;s."
    waits = {}
    for region in (quick, usual):
        waits[region] = Chatter(site)
        begun = await waits[region].posts("/start/", {"region": region.code}, script=True)
        assert begun.headers["Waiting"] == f'{{"long_in": {20.0 if region == quick else 90.0}, "full": false}}'

    async def told(region) -> bool:
        page = await waits[region].gets("/")
        assert page.text.count(">0800-2000<") >= 1
        return long in page.text.split('id="texts"')[1].split("</template>")[1]

    assert [await told(quick), await told(usual)] == [False, False]
    site.clock.forward(seconds=20)
    assert [await told(quick), await told(usual)] == [True, False]
    site.clock.forward(seconds=70)
    assert [await told(quick), await told(usual)] == [True, True]


async def test_who_waits_while_all_employees_are_talking_reads_that_the_place_stays_theirs(site):
    region = await site.there_is(RegionFactory, open=True)
    await site.there_is(ConversationFactory, region=region, held=True)
    chatter = Chatter(site)
    begun = await chatter.posts("/start/", {"region": region.code}, script=True)
    full = "Het is heel druk. Alle medewerkers zijn in gesprek. Je staat in de rij en je plek blijft van jou."

    assert begun.headers["Waiting"] == '{"long_in": 90.0, "full": true}'
    assert full in (await chatter.gets("/entries/?after=0")).text

    await site.there_is(EmployeeFactory, region=region, on_duty=True)
    assert full not in (await chatter.gets("/entries/?after=0")).text

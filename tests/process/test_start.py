"""Process 1.2, step Start chat: somebody opens the page and begins a conversation, and waits."""

import asyncio
import re

import pytest
from playwright.async_api import expect

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

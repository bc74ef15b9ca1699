"""Process 1.2, step Accept, other regions: what the own region does not pick up is work too, and is recognised as another region's."""

import re

import pytest
from playwright.async_api import expect

from tests.process.conftest import EXIT_TARGET

JOINED = (
    "Medewerker 1 (ZW) is nu in gesprek met jou. Medewerker 1 (ZW) werkt bij Veilig Thuis in een andere regio en kan je ook advies geven."
)


@pytest.fixture(scope="module")
def line(_prepared):
    """Other regions see a chat after 2 seconds."""
    server = _prepared.run(EXIT_TARGET=EXIT_TARGET, OVERFLOW_AFTER="2")
    yield server
    server.discard()


async def test_a_chat_whose_region_has_nobody_goes_to_another_region_and_each_reads_what_they_should(people):
    employee, chatter = await people.employee("fo-zw-1"), await people.chatter()
    await chatter.starts("Sanne", municipality="Amsterdam")

    await expect(employee.waiting("Sanne")).to_contain_text("Amsterdam-Amstelland, andere regio")
    await expect(employee.page.get_by_text("nog ruimte voor 3")).to_be_visible()
    await employee.accepts("Sanne")

    await chatter.reads(JOINED)
    await expect(employee.page.get_by_role("main")).to_contain_text("andere regio")
    facts = employee.page.get_by_role("region", name=re.compile("Regio"))
    await expect(facts.get_by_role("heading", name="Veilig Thuis Amsterdam-Amstelland")).to_be_visible()
    await expect(facts.get_by_role("strong")).to_have_text("Amsterdam")
    await expect(employee.registration).to_be_visible()
    await expect(employee.page.get_by_text("nog ruimte voor 2")).to_be_visible()


async def test_what_the_own_region_does_not_pick_up_comes_to_another_one_after_a_while(people):
    own, other, chatter = await people.employee("fo-aa-1"), await people.employee("fo-zw-1"), await people.chatter()
    await chatter.starts("Lotte", municipality="Amsterdam")

    await expect(own.waiting("Lotte")).to_contain_text("eigen regio")
    await other.accepts("Lotte")

    await expect(own.waiting("Lotte")).to_have_count(0)
    await chatter.reads(JOINED)


async def test_beside_a_chat_of_the_own_region_its_facts_are_folded_and_one_press_away(people):
    employee, chatter = await people.employee("fo-zw-1"), await people.chatter()
    await chatter.starts("Roos")
    await employee.accepts("Roos")
    facts = employee.page.get_by_role("region", name=re.compile("Regio"))
    await expect(facts.get_by_role("heading", name="Veilig Thuis Zaanstreek-Waterland")).to_have_count(0)

    await facts.get_by_role("button", name=re.compile("Regio")).click()

    await expect(facts.get_by_role("heading", name="Veilig Thuis Zaanstreek-Waterland")).to_be_visible()
    await expect(employee.registration).to_be_visible()


async def test_of_who_named_no_place_a_region_can_be_looked_up(people):
    employee, chatter = await people.employee("fo-zw-1"), await people.chatter()
    await chatter.starts("Nergens", municipality="")
    await expect(employee.waiting("Nergens")).to_contain_text("regio onbekend")
    await employee.accepts("Nergens")

    await employee.page.get_by_role("combobox", name="Zoek een regio op").select_option(label="Amsterdam-Amstelland")

    await expect(employee.page.get_by_role("heading", name="Veilig Thuis Amsterdam-Amstelland")).to_be_visible()

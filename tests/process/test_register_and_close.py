"""Process 1.2, steps Register and Close: what is kept of a conversation, and its way to Clavis."""

import asyncio
import json
import re

from playwright.async_api import expect

from staffing.rules import Refusal
from tests.people import SOON, sentence

PAYLOAD = "</textarea><img src=x onerror=alert(1)><script>alert(1)</script>{{ 7|add:'7' }}"
REGION = "zaanstreek-waterland"


async def ended(people, nickname, **about):
    """An employee with a conversation that is over."""
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts(nickname, **about)
    await employee.accepts(nickname)
    await employee.ends()
    await expect(employee.held(nickname, "Nog te registreren")).to_be_visible()
    return chatter, employee


def field(person, name):
    return person.page.get_by_role("textbox", name=name, exact=True)


async def test_from_the_first_word_to_the_file_in_clavis(people, line):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Roos", municipality="Krommenie", role="Over mijzelf", text="Ik weet het niet meer.")
    await employee.accepts("Roos")
    await employee.sends("Vertel.")
    await chatter.reads("Ik weet het niet meer.", "Vertel.")
    await employee.fills_in("Roos twijfelt of het thuis nog veilig is.", "Samen besproken: eerst bellen met de huisarts.")
    await employee.ends()
    await chatter.sees_the_end()
    await employee.registers("Roos")
    await employee.is_told("Het gesprek met Roos is geregistreerd.")

    coordinator = await people.coordinator()
    await coordinator.opens_the_newest("af te sluiten")
    await expect(field(coordinator, "Inhoud van het gesprek")).to_have_value("Roos twijfelt of het thuis nog veilig is.")
    await coordinator.chooses("Aard van het geweld", "Psychisch geweld")
    await coordinator.closes()
    await coordinator.is_told("De registratie is afgesloten.")

    place = line.state / "clavis" / REGION
    async with asyncio.timeout(SOON / 1000):
        while not (files := list(place.glob("*.json"))):
            await coordinator.reloads()
    record = json.loads(files[0].read_text())
    assert files[0].name == f"{record['registratie']}-v1.json"
    assert (record["regio"], record["kanaal"], record["chatgesprek"], record["versie"]) == (REGION, "chat", True, 1)
    assert (record["geregistreerd_door"], record["afgesloten_door"]) == ("Medewerker 1 (ZW)", "Coördinator (ZW)")
    assert record["gemeente"]["naam"] == "Zaanstad"
    assert record["inhoud"] == "Roos twijfelt of het thuis nog veilig is."
    assert record["advies"] == "Samen besproken: eerst bellen met de huisarts."
    assert record["vraagsteller"]["omschrijving"] == "Over mijzelf"
    assert [one["omschrijving"] for one in record["aard"]] == ["Psychisch geweld"]
    assert "Ik weet het niet meer." not in files[0].read_text()
    await coordinator.opens_the_newest("in Clavis")
    await expect(coordinator.button("Opslaan")).to_have_count(0)
    await expect(coordinator.page.get_by_role("article", name="Registratie")).to_contain_text("Roos twijfelt")


async def test_what_is_filled_in_is_saved_while_typing_and_survives_a_reload(people):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Typt")
    await employee.accepts("Typt")

    await employee.fills_in("Een begin", "Nog niets")
    await employee.is_told(re.compile(r"Bewaard om \d"))
    await employee.reloads()

    await employee.turns_to("Typt")
    await expect(field(employee, "Inhoud van het gesprek")).to_have_value("Een begin")
    await expect(field(employee, "Gegeven advies")).to_have_value("Nog niets")


async def test_two_registrations_are_never_mixed_up(people):
    first, second, employee = await people.chatter(), await people.chatter(), await people.employee()
    for chatter, nickname in ((first, "Eva"), (second, "Fay")):
        await chatter.starts(nickname)
        await employee.accepts(nickname)
    await employee.fills_in("Van Fay", "Voor Fay")

    await employee.turns_to("Eva")
    await expect(field(employee, "Inhoud van het gesprek")).to_have_value("")
    await employee.fills_in("Van Eva", "Voor Eva")
    await employee.turns_to("Fay")

    await expect(field(employee, "Inhoud van het gesprek")).to_have_value("Van Fay")
    await expect(field(employee, "Gegeven advies")).to_have_value("Voor Fay")


async def test_an_ended_conversation_stays_readable_until_it_is_registered(people):
    _, employee = await ended(people, "Blijft", text="Wat ik vertelde")
    await employee.reloads()
    await employee.turns_to("Blijft", within="Nog te registreren")
    await employee.reads("Wat ik vertelde")

    await employee.presses("Registreer")
    await employee.is_told("Er ontbreekt nog iets.")
    await expect(employee.held("Blijft", "Nog te registreren")).to_be_visible()
    await employee.fills_in("Kort", "Goed")
    await employee.registers("Blijft")

    await employee.does_not_read("Wat ik vertelde")


async def test_a_running_conversation_is_not_registered_and_what_was_typed_stays(people):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Loopt")
    await employee.accepts("Loopt")
    await employee.fills_in("Al gevuld", "Ook gevuld")

    await employee.presses("Registreer")

    await employee.is_told(sentence(Refusal.STILL_RUNNING))
    await expect(field(employee, "Inhoud van het gesprek")).to_have_value("Al gevuld")
    await expect(employee.held("Loopt")).to_be_visible()


async def test_while_the_line_is_away_nothing_typed_in_the_registration_is_lost(people, proxy):
    chatter, employee = await people.chatter(), await people.employee(base=proxy.base)
    await chatter.starts("Zwak")
    await employee.accepts("Zwak")
    await expect(employee.registration).to_be_visible()
    proxy.cuts()

    await employee.fills_in("Getypt zonder lijn", "Ook dit")
    await employee.is_told("Nog niet bewaard. We proberen het opnieuw.")
    proxy.passes()

    await employee.is_told(re.compile(r"Bewaard om \d"))
    await employee.reloads()
    await employee.turns_to("Zwak")
    await expect(field(employee, "Inhoud van het gesprek")).to_have_value("Getypt zonder lijn")


async def test_closing_says_what_is_still_missing_and_keeps_what_was_filled_in(people, line):
    _, employee = await ended(people, "Gaten")
    await employee.fills_in("Iets", "Een advies")
    await employee.registers("Gaten")
    coordinator = await people.coordinator()
    await coordinator.opens_the_newest("af te sluiten")

    await field(coordinator, "Gegeven advies").fill("Een beter advies")
    await coordinator.closes()

    await coordinator.is_told("Er ontbreekt nog iets.")
    await expect(coordinator.page.get_by_role("group", name="Aard van het geweld")).to_contain_text("Vul dit eerst in.")
    await coordinator.opens_the_newest("af te sluiten")
    await expect(field(coordinator, "Gegeven advies")).to_have_value("Een beter advies")
    await coordinator.chooses("Over wie gaat het?", "Over mijzelf")
    await coordinator.chooses("Aard van het geweld", "Psychisch geweld", "Financiële uitbuiting")
    await coordinator.presses("Opslaan")
    await coordinator.closes()
    await coordinator.is_told("De registratie is afgesloten.")


async def test_what_looks_like_code_in_a_registration_is_text_for_the_coordinator(people):
    """threat-model X1."""
    _, employee = await ended(people, "<b>Vet</b>", text=PAYLOAD)
    await employee.fills_in(PAYLOAD, PAYLOAD)
    await employee.registers("<b>Vet</b>")
    coordinator = await people.coordinator()

    await coordinator.opens_the_newest("af te sluiten")

    await expect(field(coordinator, "Inhoud van het gesprek")).to_have_value(PAYLOAD)
    await coordinator.chooses("Over wie gaat het?", "Over mijzelf")
    await coordinator.chooses("Aard van het geweld", "Psychisch geweld")
    await coordinator.closes()
    await coordinator.is_told("De registratie is afgesloten.")
    await expect(coordinator.page.get_by_role("article", name="Registratie")).to_contain_text(PAYLOAD)
    await expect(coordinator.page.locator("article img, article script")).to_have_count(0)
    assert coordinator.dialogs == employee.dialogs == []

"""Process 1.2, step Accept: a waiting chat cannot be missed, and one employee takes it."""

import re

from playwright.async_api import expect

from staffing.rules import Refusal
from tests.people import sentence
from tests.proxy import Way


async def test_a_new_chat_is_impossible_to_miss(people):
    employee, chatter = await people.employee(), await people.chatter()
    await expect(employee.page).to_have_title("Werkplek")

    await chatter.starts("Noor", role="Over mijzelf")

    await expect(employee.page).to_have_title("(1) Nieuwe chat")
    await expect(employee.page.get_by_role("alert")).to_contain_text("Noor")
    await expect(employee.button("Neem de eerste aan")).to_be_visible()
    await expect(employee.waiting("Noor")).to_contain_text("eigen regio")
    await expect(employee.waiting("Noor")).to_contain_text(re.compile("over zichzelf", re.IGNORECASE))


async def test_the_chatter_reads_who_it_is_before_the_employee_has_typed(people):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Iris")

    await employee.accepts("Iris")

    await chatter.reads("Medewerker 1 (ZW) is nu in gesprek met jou. Medewerker 1 (ZW) werkt bij Veilig Thuis.")
    await chatter.is_told("Medewerker 1 (ZW) is er.")
    await expect(employee.waiting("Iris")).to_have_count(0)
    await expect(employee.held("Iris")).to_be_visible()
    await expect(employee.page).to_have_title("Werkplek")


async def test_the_first_of_the_queue_is_taken_by_keyboard_alone(people):
    longer, shorter, employee = await people.chatter(), await people.chatter(), await people.employee()
    await longer.starts("Langer")
    await shorter.starts("Korter")
    await employee.sees_waiting("Korter")

    await employee.page.keyboard.press("a")
    await employee.has_in_front("Langer")
    await expect(employee.box).to_be_focused()
    await employee.page.keyboard.type("Goedemiddag")
    await employee.page.keyboard.press("Enter")

    await longer.reads("Goedemiddag")
    await shorter.does_not_read("Goedemiddag")


async def test_of_two_who_take_the_same_chat_one_has_it_and_the_other_reads_why_not(people, proxy):
    chatter, first = await people.chatter(), await people.employee("fo-zw-1")
    second = await people.employee("fo-zw-2", base=proxy.base)
    await chatter.starts("Twee")
    await first.sees_waiting("Twee")
    await second.sees_waiting("Twee")
    proxy.swallows(Way.TO_CLIENT)

    await first.accepts("Twee")
    await second.asks_for("Twee")
    proxy.passes()

    await second.is_told(sentence(Refusal.ALREADY_ACCEPTED))
    await expect(second.waiting("Twee")).to_have_count(0)
    await expect(second.held("Twee")).to_have_count(0)


async def test_a_list_that_is_too_old_covers_itself_and_comes_back_by_itself(people, proxy):
    """reliability.md P7."""
    employee, chatter = await people.employee(base=proxy.base, clock=True), await people.chatter()
    await chatter.starts("Stil")
    await employee.sees_waiting("Stil")
    proxy.swallows()

    await employee.time_passes(seconds=31)

    await employee.is_told("Deze lijst is niet actueel.")
    await expect(employee.button("Neem gesprek aan")).to_have_count(0)
    await expect(employee.button("Neem de eerste aan")).to_have_count(0)
    await expect(employee.page).to_have_title(re.compile("^✕"))
    proxy.passes()
    await employee.accepts("Stil")


async def test_without_a_line_nothing_is_accepted_and_that_is_said(people, proxy):
    employee, chatter = await people.employee(base=proxy.base), await people.chatter()
    await chatter.starts("Kees")
    await employee.sees_waiting("Kees")
    proxy.cuts()
    await employee.has_lost_the_line()

    await employee.asks_for("Kees")
    await employee.is_told("Er is nu geen verbinding. Probeer het zo weer.")

    proxy.passes()
    await employee.has_a_line()
    await employee.accepts("Kees")


async def test_a_reload_of_the_workspace_keeps_the_queue_and_what_is_held(people):
    waiting, held, ended = await people.chatter(), await people.chatter(), await people.chatter()
    employee = await people.employee()
    for chatter, nickname in ((held, "Lopend"), (ended, "Voorbij")):
        await chatter.starts(nickname, text=f"Ik ben {nickname}")
        await employee.accepts(nickname)
    await employee.ends()
    await expect(employee.held("Voorbij", "Nog te registreren")).to_be_visible()
    await waiting.starts("Wachtend")

    await employee.reloads()

    await employee.sees_waiting("Wachtend")
    await employee.turns_to("Lopend")
    await employee.reads("Ik ben Lopend")
    await employee.turns_to("Voorbij", within="Nog te registreren")
    await employee.reads("Ik ben Voorbij")


async def test_the_workspace_has_the_names_of_the_contract(people):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Namen")
    for name in ("Wachtrij", "Mijn gesprekken", "Nog te registreren"):
        await expect(employee.list_of(name)).to_be_attached()
    for name in ("Beëindig dienst", "Log uit"):
        await expect(employee.button(name)).to_be_visible()

    await employee.accepts("Namen")

    await expect(employee.log).to_be_visible()
    await expect(employee.box).to_be_visible()
    await expect(employee.telephone).to_be_visible()
    for name in ("Verstuur", "Rond gesprek af", "Draag over"):
        await expect(employee.button(name)).to_be_visible()
    form = employee.registration
    await expect(form).to_be_visible()
    for name in ("Inhoud van het gesprek", "Gegeven advies"):
        await expect(form.get_by_role("textbox", name=name)).to_be_visible()
    chat = form.get_by_role("checkbox", name="Chatgesprek")
    await expect(chat).to_be_checked()
    assert await chat.is_disabled() or await chat.get_attribute("aria-readonly") == "true"
    await expect(form.get_by_role("button", name="Registreer", exact=True)).to_be_visible()

"""Process 1.2, step Accept: a new chat, an alarm and a list that is not alive cannot be missed (reliability.md P7, P9, P10)."""

import re

import pytest
from playwright.async_api import expect

from tests.process.conftest import EXIT_TARGET
from tests.proxy import Way

NOBODY, GONE = "Niemand van je regio heeft dienst.", "Gesprek zonder medewerker"
# What a person hears and what stands beside the page, where a program can see it.
LISTEN = """() => {
  window.tones = [];
  const start = OscillatorNode.prototype.start;
  OscillatorNode.prototype.start = function (...at) { window.tones.push(this.frequency.value); return start.apply(this, at); };
}"""
WATCH_NOTIFICATIONS = """(permission) => {
  window.asked = 0;
  window.shown = [];
  window.Notification = class {
    static permission = "default";
    static async requestPermission() { window.asked++; return this.permission = permission; }
    constructor(title, options = {}) { window.shown.push([title, options.body ?? ""]); }
    close() {}
  };
}"""


@pytest.fixture(scope="module")
def line(_prepared):
    """What loses its employee is offered again after 20 seconds."""
    server = _prepared.run(EXIT_TARGET=EXIT_TARGET, REOFFER_AFTER="20s")
    yield server
    server.discard()


async def switches(employee, name):
    """Opens the switches of the alarm and turns this one on."""
    if not await employee.page.get_by_role("switch", name=name).count():
        await employee.page.get_by_role("button", name=re.compile("Geluid en melding")).click()
    await employee.page.get_by_role("switch", name=name).check()


async def test_that_nobody_is_on_duty_stands_on_every_screen_of_the_region_until_somebody_is(people):
    first, second = await people.employee("fo-zw-1", on_duty=False), await people.employee("fo-zw-2", on_duty=False, width=768)
    await expect(first.alarm(NOBODY)).to_be_visible()
    await expect(first.page.get_by_role("alert")).to_contain_text(NOBODY)
    await expect(first.page).to_have_title("▲ Alarm · Werkplek")
    bar = second.page.get_by_role("navigation").get_by_role("button", name=re.compile("Alarm"))
    await expect(bar).to_contain_text(NOBODY)

    await first.takes(NOBODY)

    await bar.click()
    await expect(second.alarm(NOBODY)).to_contain_text("Medewerker 1 (ZW) pakt dit op")
    await expect(second.alarm(NOBODY).get_by_role("button")).to_have_count(0)
    await expect(first.page).to_have_title("Werkplek")
    await second.is_on_duty()
    await expect(first.list_of("Alarmen").get_by_role("listitem")).to_have_count(0)


async def test_a_conversation_whose_employee_is_gone_is_an_alarm_and_comes_before_all_new_ones(people):
    lost, waiting = await people.chatter(), await people.chatter()
    gone, colleague = await people.employee("fo-zw-1"), await people.employee("fo-zw-2")
    await lost.starts("Verloren")
    await gone.accepts("Verloren")
    await gone.page.context.close()
    await waiting.starts("Nieuw")

    await expect(colleague.alarm(GONE)).to_contain_text("Medewerker 1 (ZW) is weg")
    await colleague.takes(GONE)

    await expect(colleague.alarm(GONE)).to_contain_text("Medewerker 2 (ZW) pakt dit op")
    first = colleague.list_of("Wachtrij").get_by_role("listitem").first
    await expect(first).to_contain_text("Verloren")
    await expect(first).to_contain_text("loopt al: de medewerker is weg")
    await colleague.accepts("Verloren")
    await expect(colleague.alarm(GONE)).to_have_count(0)


async def test_the_longer_somebody_waits_the_louder_it_is_said(people):
    chatter, employee = await people.chatter(), await people.employee(clock=True)
    await employee.page.evaluate(LISTEN)
    await switches(employee, "Geluid als er iemand wacht")
    await chatter.starts("Wachter")
    await expect(employee.page).to_have_title("(1) Nieuwe chat")
    await employee.page.wait_for_function("window.tones.length === 2")

    await employee.time_passes(seconds=61)
    await expect(employee.page).to_have_title("▲ (1) Chat wacht")
    await employee.is_told("Iemand wacht langer dan een minuut.")
    await expect(employee.waiting("Wachter")).to_contain_text("wacht al")
    await employee.time_passes(seconds=240)
    await expect(employee.page).to_have_title("▲▲ (1) Chat wacht lang")
    await employee.is_told("Iemand wacht langer dan 5 minuten.")
    await expect(employee.waiting("Wachter")).to_contain_text("wacht lang")

    await employee.presses("Gezien")
    await expect(employee.page).to_have_title("Werkplek")
    heard = await employee.page.evaluate("window.tones")
    await employee.time_passes(seconds=10)
    assert await employee.page.evaluate("window.tones") == heard
    await employee.accepts("Wachter")


async def test_a_notification_is_asked_for_by_the_switch_alone_and_names_nobody(people):
    chatter, employee = await people.chatter(), await people.employee()
    await employee.page.evaluate(WATCH_NOTIFICATIONS, "granted")
    await chatter.starts("Geheim", text="Hij slaat mij")
    await employee.sees_waiting("Geheim")
    assert await employee.page.evaluate("[asked, shown.length]") == [0, 0]
    await employee.accepts("Geheim")

    await switches(employee, "Melding van de computer als er iemand wacht")
    other = await people.chatter()
    await other.starts("Ook geheim")

    await employee.page.wait_for_function("shown.length > 0")
    assert await employee.page.evaluate("[asked, shown]") == [1, [["Nieuwe chat", ""]]]
    await employee.accepts("Ook geheim")


async def test_that_the_browser_allows_no_notification_is_told(people):
    employee = await people.employee()
    await employee.page.evaluate(WATCH_NOTIFICATIONS, "denied")
    await employee.page.get_by_role("button", name=re.compile("Geluid en melding")).click()

    await employee.page.get_by_role("switch", name="Melding van de computer als er iemand wacht").click()

    await employee.is_told(re.compile("Je browser laat geen meldingen van deze pagina toe."))
    await expect(employee.page.get_by_role("switch", name="Melding van de computer als er iemand wacht")).not_to_be_checked()


async def test_at_the_start_of_duty_the_alarm_is_tried_and_a_waiting_chat_goes_before_it(people):
    chatter, employee = await people.chatter(), await people.employee("fo-zw-1")
    await people.employee("fo-zw-2")
    await employee.is_told("1 collega bereikbaar")
    await employee.presses("Beëindig dienst")
    await employee.presses("Start dienst")
    await employee.is_told("Doet je alarm het?")
    await expect(employee.page.get_by_role("alert")).to_contain_text("Proef van het alarm")

    await chatter.starts("Tijdens")
    await expect(employee.button("Neem de eerste aan")).to_be_visible()
    await employee.accepts("Tijdens")

    await employee.is_told("Doet je alarm het?")
    await employee.presses("Ik zie of hoor het niet")
    await employee.is_told(re.compile("zeg het nu tegen je coördinator"))
    await employee.page.evaluate(LISTEN)
    await switches(employee, "Geluid als er iemand wacht")
    await employee.presses("Probeer het alarm")
    await employee.page.wait_for_function("window.tones.length === 2")
    await employee.presses("Ik zie en hoor het")
    await expect(employee.page.get_by_text("Doet je alarm het?")).to_have_count(0)


async def test_what_was_switched_on_is_kept_and_waits_for_a_press_to_be_heard(people):
    employee = await people.employee()
    await switches(employee, "Geluid als er iemand wacht")

    await employee.reloads()

    bell = employee.page.get_by_role("button", name=re.compile("Geluid en melding"))
    await expect(bell).to_contain_text("wacht")
    await employee.page.keyboard.press("Escape")
    await expect(bell).to_contain_text("aan")
    assert await employee.page.evaluate("Object.entries({...localStorage})") == [["sound", "on"]]


async def test_a_list_that_is_not_alive_makes_itself_heard_and_seen(people, proxy):
    employee = await people.employee(base=proxy.base, clock=True)
    await employee.page.evaluate(LISTEN)
    await switches(employee, "Geluid als er iemand wacht")
    proxy.swallows(Way.TO_CLIENT)

    await employee.time_passes(seconds=31)

    await expect(employee.page).to_have_title(re.compile("^✕"))
    await employee.page.wait_for_function("window.tones.length >= 2 && window.tones[0] > window.tones[1]")
    proxy.passes()
    await expect(employee.page).to_have_title("Werkplek")

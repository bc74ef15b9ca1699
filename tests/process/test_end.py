"""Process 1.2: the end of a conversation, and what stays on the device."""

import re

import pytest
from playwright.async_api import expect

LAST_WORDS = "Pas goed op jezelf"
# Whatever makes a noise or marks the device would be heard or seen by somebody near it (threat-model D3).
TRAPS = """
  window.noise = [];
  const trap = (name) => function () { window.noise.push(name); return Promise.resolve("denied"); };
  window.Notification = Object.assign(trap("Notification"), {requestPermission: trap("requestPermission")});
  navigator.vibrate = trap("vibrate");
  navigator.setAppBadge = trap("setAppBadge");
  window.Audio = trap("Audio");
  HTMLMediaElement.prototype.play = trap("play");
"""
STORED = """async () => [
  localStorage.length, sessionStorage.length, (await indexedDB.databases()).length, (await caches.keys()).length,
  (await navigator.serviceWorker.getRegistrations()).length,
]"""
# What a glance at the title, the address, the cookies or the names of files may not tell (D2).
TELLING = re.compile("geweld|veilig|thuis|mishandel|slachtoffer|melding|violence|abuse|victim|safe", re.IGNORECASE)


async def test_who_stops_sees_nothing_of_it_any_more_and_the_employee_registers(people):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Rob", text="Een geheim")
    await employee.accepts("Rob")
    await employee.sends("Een antwoord")
    await chatter.reads("Een geheim", "Een antwoord")

    await chatter.stops()
    await chatter.does_not_read("Een geheim", "Een antwoord")
    await chatter.reloads()
    await chatter.sees_the_end()
    await chatter.does_not_read("Een geheim", "Een antwoord")

    await expect(employee.held("Rob", "Nog te registreren")).to_be_visible()
    await expect(employee.held("Rob")).to_have_count(0)
    await employee.is_told("Het gesprek is klaar. Registreer waar het over ging.")
    await employee.reads("Een geheim", "Een antwoord")


async def test_stopping_is_asked_once_and_one_may_go_on(people):
    chatter = await people.chatter()
    await chatter.starts("Twijfel")

    await chatter.presses("Stop het gesprek")
    await expect(chatter.page.get_by_role("dialog")).to_contain_text("Wil je stoppen? Je kunt later een nieuw gesprek beginnen.")
    await chatter.presses("Nee, ga door")

    await expect(chatter.page.get_by_role("dialog")).to_have_count(0)
    await chatter.sends("Toch nog iets")
    await chatter.sees("Toch nog iets", "Verstuurd")


async def test_last_words_are_not_lost_with_the_line(people, proxy):
    """The other side ended it: what was not read yet is shown, and nothing earlier comes back with a reload."""
    chatter, employee = await people.chatter(base=proxy.base), await people.employee()
    await chatter.starts("Laatste", text="Een geheim")
    await employee.accepts("Laatste")
    await chatter.is_told("Medewerker 1 (ZW) is er.")
    await expect(employee.log).to_contain_text("tot hier gezien")
    proxy.cuts()

    await employee.sends(LAST_WORDS)
    await employee.reads("Een geheim", LAST_WORDS)
    await employee.ends()
    await expect(employee.held("Laatste", "Nog te registreren")).to_be_visible()
    proxy.passes()

    await chatter.sees_the_end()
    await expect(chatter.page.get_by_text(LAST_WORDS)).to_be_visible()
    await chatter.reloads()
    await chatter.sees_the_end()
    await chatter.does_not_read("Een geheim")


async def test_a_message_that_came_too_late_goes_back_to_the_box_with_the_reason(people, proxy):
    """P3: nothing that was typed vanishes without a word."""
    chatter, employee = await people.chatter(base=proxy.base), await people.employee()
    await chatter.starts("Te laat")
    await employee.accepts("Te laat")
    await chatter.is_told("Medewerker 1 (ZW) is er.")
    proxy.cuts()
    await chatter.sends("Wacht nog even")
    await chatter.sees("Wacht nog even", "Wordt verstuurd")

    await employee.ends()
    await expect(employee.held("Te laat", "Nog te registreren")).to_be_visible()
    proxy.passes()

    await chatter.sees_the_end()
    await expect(chatter.page.get_by_text("Het gesprek is klaar. Dit is niet verstuurd:")).to_be_visible()
    await expect(chatter.box).to_have_value("Wacht nog even")
    await employee.does_not_read("Wacht nog even")


async def test_who_stops_while_waiting_is_no_longer_in_the_queue(people):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Ongeduld")
    await employee.sees_waiting("Ongeduld")

    await chatter.stops()

    await expect(employee.waiting("Ongeduld")).to_have_count(0)
    await employee.is_told("Niemand wacht.")


async def test_without_scripts_one_stops_by_a_form(people):
    chatter, employee = await people.chatter(java_script_enabled=False), await people.employee()
    await chatter.starts("Formulier", text="Een geheim")
    await employee.accepts("Formulier")

    await chatter.presses("Stop het gesprek")

    await chatter.sees_the_end()
    await chatter.does_not_read("Een geheim")
    await expect(employee.held("Formulier", "Nog te registreren")).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_after_the_end_one_may_begin_anew_and_finds_nothing_of_before(people, scripts):
    chatter, employee = await people.chatter(java_script_enabled=scripts), await people.employee()
    await chatter.starts(f"Opnieuw {scripts}", text="Van de vorige keer")
    await employee.accepts(f"Opnieuw {scripts}")
    await chatter.stops() if scripts else await chatter.presses("Stop het gesprek")
    await chatter.sees_the_end()
    before = await chatter.page.evaluate("history.length")

    await chatter.presses("Begin een nieuw gesprek")
    await expect(chatter.box).to_be_visible()
    await chatter.sends("Nu weer")

    await chatter.sees("Nu weer", "Verstuurd")
    await chatter.does_not_read("Van de vorige keer")
    await expect(employee.waiting("Anoniem")).to_be_visible()
    await expect(employee.held(f"Opnieuw {scripts}", "Nog te registreren")).to_be_visible()
    if scripts:
        assert await chatter.page.evaluate("history.length") == before


async def test_a_whole_chat_leaves_nothing_on_the_device_and_asks_one_origin_only(people, line):
    """threat-model D2, D3, D4, D7, D10, D11."""
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.page.add_init_script(TRAPS)
    before = await chatter.page.evaluate("history.length")
    titles = set()

    async def look() -> None:
        titles.add(await chatter.page.title())
        assert chatter.page.url == f"{line.base}/"
        assert await chatter.page.evaluate(STORED) == [0, 0, 0, 0, 0]
        assert await chatter.page.evaluate("window.noise") == []

    await chatter.starts("Niemand", municipality="Krommenie", role="Over mijzelf", text="Mijn eerste woord")
    await look()
    await employee.accepts("Niemand")
    await employee.sends("Hoi", "Kun je praten?")
    await chatter.reads("Mijn eerste woord", "Hoi", "Kun je praten?")
    await chatter.sends("Ja")
    await employee.reads("Ja")
    await look()
    await chatter.page.emulate_media(media="print")
    assert (await chatter.page.inner_text("body")).strip() == "Pagina"
    await chatter.page.emulate_media(media="screen")
    await chatter.reloads()
    await chatter.reads("Mijn eerste woord", "Hoi", "Kun je praten?", "Ja")
    await employee.ends()
    await chatter.sees_the_end()
    await look()

    assert titles == {"Pagina"}
    assert await chatter.page.evaluate("history.length") <= before + 1
    cookies = await chatter.cookies()
    assert set(cookies) == {"p1", "p2", "form"}
    assert {cookie["expires"] for cookie in cookies.values()} == {-1}
    assert {cookie["sameSite"] for cookie in cookies.values()} == {"Lax"}
    assert {name for name, cookie in cookies.items() if not cookie["httpOnly"]} == {"p2"}
    asked = [address for address in chatter.page.watch.requests if not address.startswith("data:")]
    assert {re.sub("^(http|ws)", "", address).split("/")[2] for address in asked} == {line.address}
    told = [*asked, *titles, *cookies]
    assert [words for words in told if TELLING.search(words) or "Niemand" in words or "Krommenie" in words] == []
    assert chatter.dialogs == []

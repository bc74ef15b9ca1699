"""The one critical risk of the process: the connection drops, and the contact is lost. Here it drops in every way (P1-P6)."""

import asyncio

import pytest
from playwright.async_api import expect

from tests.people import People
from tests.process.conftest import EXIT_TARGET
from tests.proxy import Way

FIRST, SECOND = "Medewerker 1 (ZW)", "Medewerker 2 (ZW)"
TEN = [f"Bericht {number} van tien" for number in range(1, 11)]


async def test_ten_quick_messages_with_the_network_cut_in_the_middle_arrive_once_and_in_order(people, proxy):
    chatter, employee = await people.chatter(base=proxy.base), await people.employee()
    await chatter.starts("Tien")
    await employee.accepts("Tien")
    await chatter.is_told("Medewerker 1 (ZW) is er.")

    await chatter.sends(*TEN[:5])
    proxy.cuts()
    await chatter.sends(*TEN[5:])

    await chatter.sees(TEN[9], "Wordt verstuurd")
    await chatter.reads(*TEN)
    proxy.passes()
    for text in TEN:
        await chatter.sees(text, "Verstuurd")
    await employee.reads(*TEN)
    await chatter.reads(*TEN)


async def test_ten_quick_messages_of_the_employee_with_the_network_cut_in_the_middle_arrive_once_and_in_order(people, proxy):
    chatter, employee = await people.chatter(), await people.employee(base=proxy.base)
    await chatter.starts("Andersom")
    await employee.accepts("Andersom")

    await employee.sends(*TEN[:5])
    proxy.cuts()
    await employee.sends(*TEN[5:])

    await expect(employee.log).to_contain_text("wordt verstuurd")
    await employee.is_told("Geen verbinding. Wat je verstuurt gaat weg zodra de verbinding er weer is.")
    proxy.passes()
    await chatter.reads(*TEN)
    await employee.reads(*TEN)
    await expect(employee.log).not_to_contain_text("wordt verstuurd")


async def test_a_message_whose_answer_was_lost_half_way_stands_in_the_log_once(people, proxy):
    """The server has stored it, the sender does not know (P2): the same id goes again."""
    chatter, employee = await people.chatter(base=proxy.base), await people.employee()
    await chatter.starts("Half")
    await employee.accepts("Half")
    await chatter.is_told("Medewerker 1 (ZW) is er.")
    proxy.stops_after(20, Way.TO_CLIENT)

    await chatter.sends("Is dit aangekomen?")
    await employee.reads("Is dit aangekomen?")
    await chatter.sees("Is dit aangekomen?", "Wordt verstuurd")
    proxy.cuts()
    proxy.passes()

    await chatter.sees("Is dit aangekomen?", "Verstuurd")
    await chatter.sends("En dit?")
    await employee.reads("Is dit aangekomen?", "En dit?")
    await chatter.reads("Is dit aangekomen?", "En dit?")


@pytest.mark.parametrize("how", ["kill -9", "SIGTERM"])
async def test_the_server_dies_between_two_messages_and_both_sides_go_on(people, line, how):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts(how)
    await employee.accepts(how)
    await chatter.sends("Voor de storing")
    await employee.reads("Voor de storing")

    await asyncio.to_thread(line.kill if how == "kill -9" else line.stop)
    try:
        await chatter.sends("Tijdens de storing")
        await employee.sends("Ik ook")
        await chatter.sees("Tijdens de storing", "Wordt verstuurd")
        await expect(employee.log).to_contain_text("wordt verstuurd")
    finally:
        await asyncio.to_thread(line.start)

    await employee.reads("Voor de storing", "Tijdens de storing")
    await chatter.reads("Voor de storing", "Tijdens de storing")
    await employee.reads("Ik ook")
    await chatter.reads("Ik ook")
    await chatter.sees("Tijdens de storing", "Verstuurd")
    await expect(employee.log).not_to_contain_text("wordt verstuurd")


async def test_a_waiting_chat_keeps_its_place_when_the_server_dies(people, line):
    """P5: the place is by `waiting since`, which a drop never changes."""
    first, second, employee = await people.chatter(), await people.chatter(), await people.employee()
    await first.starts("Eerst")
    await second.starts("Later")
    await employee.sees_waiting("Later")

    await asyncio.to_thread(line.restart)

    await employee.has_a_line()
    await second.is_told("Er is nog 1 persoon voor je.")
    await employee.accepts("Eerst")
    await second.is_told("Je bent de eerste die aan de beurt is.")
    await employee.sends("Daar ben ik")
    await first.reads("Daar ben ik")


@pytest.mark.parametrize("lost", [(Way.TO_SERVER,), (Way.TO_CLIENT,), tuple(Way)], ids=["to the server", "to the client", "both ways"])
async def test_a_silent_line_is_told_in_calm_words_and_typing_goes_on(people, proxy, lost):
    """No connection ends, nothing arrives: after 8 s the chatter reads that a message is not sent yet, after 15 s of doubt why (P3, P6)."""
    chatter, employee = await people.chatter(base=proxy.base, clock=True), await people.employee()
    name = f"Stil {len(lost)}{lost[0][-6:]}"
    await chatter.starts(name)
    await employee.accepts(name)
    await chatter.is_told("Medewerker 1 (ZW) is er.")
    proxy.swallows(*lost)

    await chatter.sends("Komt dit aan?")
    await chatter.time_passes(seconds=9)
    await chatter.sees("Komt dit aan?", "Nog niet verstuurd. We proberen het opnieuw.")
    await chatter.time_passes(seconds=8)
    if Way.TO_CLIENT in lost:  # in the other case heartbeats still come, and end only with the connection
        await chatter.is_told("De verbinding is weg. We proberen het vanzelf opnieuw. Je hoeft niets te doen.")
    await chatter.writes("Ik typ gewoon door")
    proxy.passes()

    if Way.TO_CLIENT in lost:
        await chatter.is_told("De verbinding is er weer. Er is niets kwijt.")
    await chatter.sees("Komt dit aan?", "Verstuurd")
    await expect(chatter.box).to_have_value("Ik typ gewoon door")
    await chatter.presses("Verstuur")
    await employee.reads("Komt dit aan?", "Ik typ gewoon door")
    await chatter.time_passes(seconds=11)
    await chatter.is_told("Medewerker 1 (ZW) is er.")


async def test_each_side_reads_that_the_other_is_away_and_that_it_is_back(people, proxy):
    """Away is who was not heard for 30 s, not whose socket closed (P6). The one wait of real time in these tests."""
    async with proxy.another() as second_proxy:
        lost, here = await people.chatter(base=proxy.base), await people.chatter()
        stays, loses = await people.employee("fo-zw-1"), await people.employee("fo-zw-2", base=second_proxy.base)
        await lost.starts("Weg")
        await stays.accepts("Weg")
        await here.starts("Blijft")
        await loses.accepts("Blijft")
        await stays.sends("Dit heb je gezien")
        await lost.reads("Dit heb je gezien")
        await expect(stays.log).to_contain_text("tot hier gezien")

        proxy.swallows()
        second_proxy.swallows()
        await stays.sends("Dit nog niet")

        words = "De verbinding met Medewerker 2 (ZW) is weg. Er komt zo een collega. Alles wat je schreef is bewaard."
        await expect(stays.held("Weg")).to_contain_text("lijn weg", timeout=40_000)
        await expect(here.status).to_contain_text(words, timeout=40_000)
        await stays.is_told("Weg heeft je laatste bericht niet gezien.")
        proxy.passes()
        second_proxy.passes()

        await lost.reads("Dit heb je gezien", "Dit nog niet")
        await expect(stays.held("Weg")).to_contain_text("is er")
        await here.is_told("Medewerker 2 (ZW) is er")


async def test_where_websockets_do_not_get_through_long_polling_carries_the_chat(people, proxy):
    chatter, employee = await people.chatter(base=proxy.base), await people.employee()
    proxy.refuses_upgrades()

    await chatter.starts("Filter", text="Vanaf mijn werk")
    await employee.accepts("Filter")
    await employee.sends("Hallo")
    await chatter.reads("Vanaf mijn werk", "Hallo")
    await chatter.sends(*TEN)
    await employee.reads(*TEN)
    for text in TEN:
        await chatter.sees(text, "Verstuurd")
    await employee.sends("En terug")
    await chatter.reads("Vanaf mijn werk", "Hallo", *TEN, "En terug")
    await employee.ends()
    await chatter.sees_the_end()


@pytest.mark.parametrize("answer", ["400 Bad Request", "hangs"])
async def test_long_polling_takes_over_within_30_seconds_however_the_upgrade_fails(people, proxy, answer):
    chatter, employee = await people.chatter(base=proxy.base, clock=True), await people.employee()
    proxy.refuses_upgrades(answer)
    await chatter.starts(answer)
    await employee.accepts(answer)

    await chatter.time_passes(seconds=30)
    await employee.sends("Komt dit door?")

    await chatter.reads("Komt dit door?")


async def test_what_an_employee_held_whose_browser_died_is_taken_over_and_their_return_shows_by_whom(running_with, browser):
    """P9: unheard for a while, it is offered again ahead of all new ones. The second wait of real time: more than a heartbeat."""
    server = await asyncio.to_thread(running_with, REOFFER_AFTER="18s")
    people = People(browser, server.base, EXIT_TARGET, {})
    chatter, first, second = await people.chatter(), await people.employee("fo-zw-1"), await people.employee("fo-zw-2")
    await chatter.starts("Alleen")
    await first.accepts("Alleen")
    await chatter.sends("Ben je daar nog?")
    await first.reads("Ben je daar nog?")

    await first.page.close()

    await expect(second.waiting("Alleen")).to_contain_text("loopt al")
    await chatter.reads(f"De verbinding met {FIRST} is weg. Er komt zo een collega. Alles wat je schreef is bewaard.")
    await second.accepts("Alleen")
    await second.reads("Ben je daar nog?")
    await second.sends("Ik ben er nu voor je")
    await chatter.reads(f"{SECOND} neemt het gesprek over. {SECOND} heeft gelezen wat je vertelde.", "Ik ben er nu voor je")
    back = await people.employee("fo-zw-1")
    await expect(back.list_of("Meldingen")).to_contain_text(f"{SECOND} heeft het gesprek met Alleen overgenomen.")
    await expect(back.list_of("Mijn gesprekken").get_by_role("listitem")).to_have_count(0)

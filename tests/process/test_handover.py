"""Process 1.2, step Handover: who leaves has handed over, nobody leaves the line unmanned, and each reads what happens."""

import re

import pytest
from playwright.async_api import expect

from staffing.rules import Refusal
from tests.people import sentence
from tests.proxy import Way

FIRST, SECOND = "Medewerker 1 (ZW)", "Medewerker 2 (ZW)"
NOTE = "Vraag nog naar de kinderen"


async def test_a_shift_change_with_two_running_conversations_and_each_reads_what_they_should(people):
    noor, iris = await people.chatter(), await people.chatter()
    first, second = await people.employee("fo-zw-1"), await people.employee("fo-zw-2")
    for chatter, nickname in ((noor, "Noor"), (iris, "Iris")):
        await chatter.starts(nickname)
        await first.accepts(nickname)
    await noor.sends("Dit vertel ik maar een keer")

    await first.wants_to_leave()
    await expect(first.question).to_contain_text(sentence(Refusal.HOLDS_CONVERSATIONS))
    await first.sees_progress("Noor", "nog bij jou")
    await first.question.get_by_role("listitem").filter(has_text="Noor").get_by_role("button", name="Kies een collega").click()
    await first.asks(SECOND, NOTE)
    await first.sees_progress("Noor", f"gevraagd aan {SECOND}")
    await first.sees_progress("Iris", "nog bij jou")
    await first.asks_all(SECOND)
    await first.sees_progress("Iris", f"gevraagd aan {SECOND}")

    passes = f"{FIRST} draagt het gesprek over aan een collega. Je hoeft je verhaal niet opnieuw te vertellen."
    await noor.reads(passes)
    await iris.reads(passes)
    await expect(second.waiting("Noor")).to_contain_text("overdracht van collega")
    await expect(second.waiting("Noor")).to_contain_text(NOTE)
    await second.accepts("Noor")
    await second.reads("Dit vertel ik maar een keer", passes)
    await expect(second.page.get_by_role("note")).to_contain_text(NOTE)
    await second.presses("Leg dit briefje weg")
    await expect(second.page.get_by_role("note")).to_have_count(0)
    await noor.reads(passes, f"{SECOND} praat vanaf nu met jou. {SECOND} kan lezen wat je hebt verteld.")
    await noor.does_not_read(NOTE)

    await first.sees_progress("Noor", f"overgenomen door {SECOND}")
    await second.accepts("Iris")
    await first.goes()
    await expect(first.list_of("Mijn gesprekken").get_by_role("listitem")).to_have_count(0)
    await second.sends("Hier ben ik")
    await iris.reads(passes, "Hier ben ik")


async def test_what_is_put_aside_comes_back_and_who_may_go_is_told(people):
    chatter = await people.chatter()
    first, second = await people.employee("fo-zw-1"), await people.employee("fo-zw-2")
    await chatter.starts("Opzij")
    await first.accepts("Opzij")

    await first.wants_to_leave()
    await first.presses("Leg opzij")
    await first.sends("Ik zoek een collega voor je")
    await first.transfers(SECOND)

    await expect(first.button("Overdracht: 0 van 1")).to_be_visible()
    await expect(first.held("Opzij")).to_contain_text(f"wacht op {SECOND}")
    await first.is_told(f"Wacht tot {SECOND} aanneemt. Tot dan praat jij met Opzij.")
    await second.accepts("Opzij")
    await expect(first.list_of("Meldingen")).to_contain_text(f"{SECOND} heeft het gesprek met Opzij overgenomen.")
    await first.presses("Je kunt gaan")
    await first.goes()


async def test_who_asks_a_colleague_who_has_just_gone_reads_it_where_they_asked(people, proxy):
    chatter, second = await people.chatter(), await people.employee("fo-zw-2")
    first = await people.employee("fo-zw-1", base=proxy.base)
    await chatter.starts("Net weg")
    await first.accepts("Net weg")
    await first.presses("Draag over")
    await expect(first.question.get_by_role("radio", name=SECOND)).to_be_checked()
    proxy.swallows(Way.TO_CLIENT)
    await second.leaves_at_once()

    await first.question.get_by_role("button", name=f"Vraag {SECOND}", exact=True).click()
    proxy.passes()

    await expect(first.question.get_by_role("alert")).to_have_text(re.compile(f"{re.escape(SECOND)} kun je nu niet vragen"))
    await first.presses("Nu niet")
    await first.sends("Ik ben er nog")
    await chatter.reads("Ik ben er nog")


@pytest.mark.parametrize(("button", "after"), [("Beëindig dienst", "Start dienst"), ("Log uit", "Log in")])
async def test_the_last_available_one_may_not_leave_and_reads_why_until_a_colleague_is_there(people, button, after):
    first, second = await people.employee("fo-zw-1"), await people.employee("fo-zw-2")
    await second.leaves_at_once()
    await expect(first.colleague(SECOND)).to_have_count(0)

    await first.wants_to_leave(button)
    await expect(first.question).to_contain_text(sentence(Refusal.LAST_ONE))
    await second.presses("Start dienst")

    await expect(first.question).to_contain_text("Je kunt nu gaan.")
    await first.question.get_by_role("button", name="Ik ga nu", exact=True).click()
    await expect(first.button(after)).to_be_visible()


async def test_who_has_nothing_to_hand_over_leaves_at_once(people):
    first, _second = await people.employee("fo-zw-1"), await people.employee("fo-zw-2")

    await first.leaves_at_once()

    await first.presses("Log uit")
    await expect(first.button("Log in")).to_be_visible()


async def test_by_keyboard_alone_a_conversation_is_passed_on_and_a_note_that_was_closed_stays(people):
    chatter = await people.chatter()
    first, second = await people.employee("fo-zw-1"), await people.employee("fo-zw-2")
    await chatter.starts("Toetsen")
    await first.accepts("Toetsen")
    keys = first.page.keyboard

    await keys.press("Escape")
    await keys.press("t")
    await expect(first.question.get_by_role("radio", name=SECOND)).to_be_checked()
    await keys.press("Tab")
    await keys.type(NOTE)
    await keys.press("Escape")
    await expect(first.question).to_have_count(0)
    await keys.press("t")
    await expect(first.question.get_by_role("textbox", name="Alleen voor je collega")).to_have_value(NOTE)
    await keys.press("Enter")

    await expect(first.question).to_have_count(0)
    await expect(second.waiting("Toetsen")).to_contain_text(NOTE)
    await second.page.keyboard.press("a")
    await second.has_in_front("Toetsen")
    await expect(second.page.get_by_role("note")).to_contain_text(NOTE)


async def test_who_is_on_the_telephone_gets_no_chats_of_others_and_the_colleagues_see_it(people):
    own, anywhere = await people.chatter(), await people.chatter()
    first, second = await people.employee("fo-zw-1"), await people.employee("fo-zw-2")
    await expect(first.telephone).not_to_be_checked()
    await expect(first.telephone).to_have_accessible_description(re.compile("geen chats van andere regio's"))
    await own.starts("Eigen")
    await anywhere.starts("Ergens", municipality="")
    await first.sees_waiting("Ergens")

    await first.telephone.click()

    await expect(first.telephone).to_be_checked()
    await expect(first.waiting("Ergens")).to_have_count(0)
    await first.sees_waiting("Eigen")
    await expect(second.colleague(FIRST)).to_contain_text("aan de telefoon")
    await first.page.keyboard.press("p")
    await expect(first.telephone).not_to_be_checked()
    await first.sees_waiting("Ergens")

"""The quick exit, and whatever somebody finds who comes after (threat-model 4.1 and 4.2)."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import expect

from tests.people import SOON
from tests.process.conftest import EXIT_TARGET
from tests.proxy import Way

SECRET = "Dit mag niemand lezen"
ANSWER = "En dit ook niet"
HALVES = {"p1", "p2"}  # the conversation's cookie in the demonstration
TOKEN = {"form"}  # Django's CSRF cookie, under its neutral name


@asynccontextmanager
async def trouble(kind: str, line, proxy, chatter):
    """The state in which the network or the server is while somebody leaves."""
    if kind == "the server is stopped":
        await asyncio.to_thread(line.kill)
    elif kind == "the server is slow":
        proxy.delays(10)
    elif kind == "the server is silent":
        proxy.swallows()
    elif kind == "offline":
        proxy.cuts()
        await chatter.page.context.set_offline(True)
    try:
        yield
    finally:
        if kind == "the server is stopped":
            await asyncio.to_thread(line.start)
        await chatter.page.context.set_offline(False)
        proxy.passes()


async def painted(page):
    """What is on the screen, also while the page is on its way to another one."""
    devtools = await page.context.new_cdp_session(page)
    async with asyncio.timeout(SOON / 1000):
        return (await devtools.send("Page.captureScreenshot"))["data"]


async def talking(people, nickname, **options):
    """A chatter with an employee, in the middle of it, who came from another site."""
    chatter, employee = await people.chatter(**options), await people.employee()
    await chatter.page.goto(EXIT_TARGET)
    await chatter.starts(nickname, text=SECRET)
    await employee.accepts(nickname)
    await employee.sends(ANSWER)
    await chatter.reads(SECRET, ANSWER) if options.get("java_script_enabled", True) else await chatter.reloads()
    return chatter, employee


@pytest.mark.parametrize("kind", ["all is well", "the server is slow", "the server is silent", "offline", "the server is stopped"])
async def test_the_page_is_empty_in_the_same_frame_and_back_brings_nothing_back(people, line, proxy, kind):
    chatter, _ = await talking(people, kind, base=proxy.base)
    blank = await people.blank_page()
    await chatter.writes("Een half woord")
    assert "p2" in await chatter.cookies()
    before = await chatter.page.evaluate("history.length")
    chatter.other_site_answers.clear()

    async with trouble(kind, line, proxy, chatter):
        assert await chatter.leaves_in_one_frame() == ""
        assert await painted(chatter.page) == await painted(blank)
        assert "p2" not in await chatter.cookies()
        assert chatter.dialogs == []

        chatter.other_site_answers.set()
        await chatter.page.context.set_offline(False)  # the other site is there again, ours is not
        await chatter.page.wait_for_url(EXIT_TARGET)
        assert await chatter.page.evaluate("history.length") <= before
        await chatter.goes_back()
        await chatter.does_not_read(SECRET, ANSWER, "Een half woord")

    await chatter.opens()
    await chatter.sees_the_start()
    await chatter.does_not_read(SECRET, ANSWER, "Een half woord")


async def test_the_server_forgets_the_browser_and_the_employee_reads_not_to_write(people):
    chatter, employee = await talking(people, "Weg")

    await chatter.leaves()
    await chatter.page.wait_for_url(EXIT_TARGET)

    await expect(employee.held("Weg")).to_contain_text("verliet de site snel")
    await employee.is_told("Schrijf nu niet")
    await chatter.keeps_only(TOKEN)
    await expect(employee.button("Verstuur")).to_be_disabled()
    await employee.writes("Toch nog iets")
    await employee.box.press("Enter")
    await expect(employee.box).to_have_value("Toch nog iets")
    await employee.reads(SECRET, ANSWER)


async def test_an_exit_of_which_the_server_never_heard_holds(people, proxy):
    """One half of the cookie opens nothing: not the page, not the frame, not the line."""
    chatter, employee = await talking(people, "Half", base=proxy.base)
    proxy.swallows(Way.TO_SERVER)

    await chatter.leaves()
    await chatter.page.wait_for_url(EXIT_TARGET)
    assert set(await chatter.cookies()) & HALVES == {"p1"}
    proxy.cuts()
    proxy.passes()

    await chatter.opens()
    await chatter.sees_the_start()
    await chatter.page.goto(f"{chatter.base}/entries/?after=0")
    await chatter.does_not_read(SECRET, ANSWER)
    await employee.reads(SECRET, ANSWER)


@pytest.mark.parametrize("before_the_end", [True, False], ids=["in the conversation", "on the start page"])
async def test_shift_three_times_leaves(people, before_the_end):
    chatter = await people.chatter()
    await (chatter.starts("Shift") if before_the_end else chatter.opens())
    told = chatter.page.locator("#exit [aria-live]")

    await chatter.page.keyboard.press("ShiftLeft")
    await expect(told).to_have_text("Druk nog 2 keer op Shift om deze site te verlaten.")
    await chatter.page.keyboard.press("ShiftRight")
    await expect(told).to_have_text("Druk nog 1 keer op Shift om deze site te verlaten.")
    await chatter.page.keyboard.press("ShiftLeft")

    await chatter.page.wait_for_url(EXIT_TARGET)
    await chatter.does_not_read("Shift")


async def test_shift_with_another_key_between_or_too_slowly_does_not_leave(people):
    chatter = await people.chatter(clock=True)
    await chatter.starts("Hoofdletters")
    keyboard = chatter.page.keyboard
    await chatter.box.focus()

    await keyboard.type("IK BEN HIER")
    for key in ("Shift", "Shift", "a", "Shift", "Shift", "Escape", "Shift+B", "Shift", "Shift"):
        await keyboard.press(key)
    await chatter.time_passes(seconds=6)
    await keyboard.press("Shift")

    await expect(chatter.box).to_have_value("IK BEN HIERaB")
    await expect(chatter.page.locator("#exit [aria-live]")).to_have_text("Druk nog 2 keer op Shift om deze site te verlaten.")
    await expect(chatter.log).to_be_attached()


async def test_without_scripts_the_exit_shows_an_empty_page_that_moves_on(people):
    chatter, employee = await talking(people, "Zonder", java_script_enabled=False)
    blank = await people.blank_page()
    chatter.other_site_answers.clear()

    await chatter.leaves()

    nothing, seen = await painted(blank), ""
    async with asyncio.timeout(SOON / 1000):
        while seen != nothing:
            with suppress(PlaywrightError):  # no picture just when one page takes the place of another
                seen = await painted(chatter.page)
    chatter.other_site_answers.set()
    await chatter.page.wait_for_url(EXIT_TARGET)
    await chatter.keeps_only(TOKEN)
    await expect(employee.held("Zonder")).to_contain_text("verliet de site snel")
    await chatter.opens()
    await chatter.sees_the_start()


async def test_back_asks_the_server_anew(people):
    chatter, employee = await talking(people, "Terug")

    await chatter.page.goto(EXIT_TARGET)
    await employee.sends("Ben je er nog?")
    await chatter.goes_back()

    await chatter.reads(SECRET, ANSWER, "Ben je er nog?")


async def test_a_page_that_the_browser_would_keep_in_memory_is_emptied_first(people):
    """Whether a browser keeps a page with `no-store` and an open line for Back is its own affair and changes; so it is told here (D5)."""
    chatter, employee = await talking(people, "Bewaard")
    await chatter.writes("Een half woord")

    left = await chatter.page.evaluate("""() => {
        dispatchEvent(new PageTransitionEvent("pagehide", {persisted: true}));
        return document.body.textContent + [...document.querySelectorAll("textarea, input")].map((field) => field.value);
    }""")
    assert left == ""
    await employee.sends("Ben je er nog?")
    await chatter.page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")

    await chatter.reads(SECRET, ANSWER, "Ben je er nog?")
    await expect(chatter.box).to_have_value("")


async def test_back_finds_the_start_page_when_the_conversation_is_no_longer_of_this_browser(people):
    chatter, _ = await talking(people, "Voorbij")

    await chatter.page.goto(EXIT_TARGET)
    await chatter.page.context.clear_cookies(name="p2")
    await chatter.goes_back()

    await chatter.sees_the_start()
    await chatter.does_not_read(SECRET, ANSWER)


async def test_back_after_the_end_shows_the_end_and_nothing_of_the_conversation(people):
    chatter, _ = await talking(people, "Klaar")
    await chatter.stops()

    await chatter.page.goto(EXIT_TARGET)
    await chatter.goes_back()

    await chatter.sees_the_end()
    await chatter.does_not_read(SECRET, ANSWER)


HIT = """(button) => {
  const {x, y, width, height} = button.getBoundingClientRect();
  const hit = document.elementFromPoint(x + width / 2, y + height / 2);
  return {hit: button.contains(hit), width, height, inside: x >= 0 && y >= 0 && x + width <= innerWidth && y + height <= innerHeight};
}"""
SCREENS = {"a small phone": (320, 568), "with the keyboard of a phone": (320, 290), "400 % zoom": (320, 256)}


@pytest.mark.parametrize("size", SCREENS.values(), ids=SCREENS)
async def test_nothing_ever_covers_the_way_out(people, size):
    """threat-model D1."""
    chatter, employee = await people.chatter(width=size[0], height=size[1]), await people.employee()

    async def can_leave() -> None:
        button = chatter.way_out
        for place in ("0", "document.documentElement.scrollHeight / 2", "document.documentElement.scrollHeight"):
            await chatter.page.evaluate(f"scrollTo(0, {place})")
            found = await button.evaluate(HIT)
            assert found["hit"], f"scrolled to {place}"
            assert found["inside"], f"scrolled to {place}"
            assert min(found["width"], found["height"]) >= 44

    await chatter.opens()
    for summary in await chatter.page.locator("summary").all():
        await summary.click()
    await chatter.page.get_by_text("Dat weet ik niet").click()
    await can_leave()
    await chatter.page.evaluate("scrollTo(0, 0)")
    await chatter.page.keyboard.press("Escape")

    nickname = "Smal" + "s" * (size[1] // 40)
    await chatter.starts(nickname, text="Een verhaal " * 60)
    await can_leave()
    await employee.accepts(nickname)
    await employee.sends(*("Een antwoord " * 30 for _ in range(3)))
    await expect(chatter.log).to_contain_text("Een antwoord")
    await chatter.writes("Een lang bericht\n" * 20)
    await can_leave()
    await chatter.presses("Stop het gesprek")
    await expect(chatter.button("Ja, stop")).to_be_visible()
    await can_leave()
    await chatter.presses("Ja, stop")
    await chatter.sees_the_end()
    await can_leave()


@pytest.mark.parametrize("place", ["the start page", "the conversation", "an address that is not there"])
async def test_the_way_out_is_the_first_stop_of_the_keyboard(people, place):
    chatter = await people.chatter()
    if place == "the conversation":
        await chatter.starts("Toetsen")
        await chatter.reloads()
    else:
        await chatter.opens("" if place == "the start page" else "nergens/")

    await chatter.page.keyboard.press("Tab")

    await expect(chatter.way_out).to_be_focused()
    await chatter.page.keyboard.press("Enter")
    await chatter.page.wait_for_url(EXIT_TARGET)

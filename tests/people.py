"""
The people of the process, each with a browser of their own: what they do, and what they see, by roles and names.

A helper waits for its effect, at most `SOON`; what stands in the interface by contract is found by its name there.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Any, Self

from playwright.async_api import Dialog, Locator, Page, Route, expect
from playwright.async_api import TimeoutError as PlaywrightTimeout

from staffing.refusal import Refused
from staffing.rules import Refusal

PASSWORD = "geruisloos"
SOON = 45_000  # milliseconds; a reconnect alone may take 15 s, and the machine may be busy
expect.set_options(timeout=SOON)
# Of all lines of a log, those that we look for: each once, in this order, whatever stands between them.
IN_ORDER = """([log, lines, wanted]) => {
  const found = [...log.querySelectorAll(lines)].map((line) => line.textContent).filter((text) => wanted.includes(text));
  return JSON.stringify(found) === JSON.stringify(wanted);
}"""


NEXT_FRAME = """() => new Promise((done) => addEventListener("submit", () => {
  requestAnimationFrame(() => done(document.body.textContent));
}, {capture: true, once: true}))"""
VISIBILITY = """(state) => {
  Object.defineProperty(document, "visibilityState", {value: state, configurable: true});
  Object.defineProperty(document, "hidden", {value: state === "hidden", configurable: true});
  document.dispatchEvent(new Event("visibilitychange", {bubbles: true}));
}"""
NEUTRAL = "<!doctype html><html lang=nl><title>Het weer</title><link rel=icon href='data:,'><body>Vandaag droog."


def sentence(refusal: Refusal) -> str:
    """The Dutch words of a refusal, as the interface says them."""
    return Refused(refusal).detail("nl")


class Person:
    """Somebody at a screen."""

    home = "/"
    lines = ".text"  # where the words of an entry stand

    def __init__(self, page: Page, base: str):
        self.page, self.base = page, base
        self.dialogs: list[str] = []
        page.on("dialog", self._asked)

    async def _asked(self, dialog: Dialog) -> None:
        """Nothing of ours asks by a window of the browser; it would hold the page open (P3)."""
        self.dialogs.append(dialog.message)
        await dialog.dismiss()

    async def opens(self, query: str = "") -> Self:
        await self.page.goto(self.base + self.home + query)
        return self

    async def logs_in(self, login: str) -> Self:
        """Staff alone: whoever is not logged in is sent to the login, and from there to where they were going."""
        await self.opens()
        if "/staff/login/" not in self.page.url:
            return self
        await self.page.locator("[name=login]").fill(login)
        await self.page.locator("[name=password]").fill(PASSWORD)
        await self.page.locator("[name=password]").press("Enter")
        await self.page.wait_for_url(f"{self.base}{self.home}")
        return self

    async def reloads(self) -> None:
        await self.page.reload()

    async def goes_back(self) -> None:
        await self.page.go_back(wait_until="commit")  # no `load` comes from a page that was kept in memory

    async def time_passes(self, seconds: float) -> None:
        """On this person's own screen alone, which was opened with `clock=True`: timers run, the server's clock does not."""
        await self.page.clock.run_for(seconds * 1000)

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def presses(self, name: str) -> None:
        await self.button(name).click()

    async def is_told(self, words: str | re.Pattern[str]) -> None:
        """Reads these words somewhere on the screen."""
        await expect(self.page.get_by_text(words).filter(visible=True).first).to_be_visible()

    # ------------------------------------------------------------ a conversation

    @property
    def log(self) -> Locator:
        return self.page.get_by_role("log", name="Gesprek", exact=True)

    @property
    def box(self) -> Locator:
        return self.page.get_by_role("textbox", name="Jouw bericht", exact=True)

    async def writes(self, text: str) -> None:
        """Into the box, without sending."""
        await self.box.fill(text)

    async def sends(self, *texts: str) -> None:
        for text in texts:
            await self.writes(text)
            await self.presses("Verstuur")

    async def reads(self, *texts: str) -> None:
        """Each of these entries once in the log, in this order."""
        log = await self.log.element_handle()
        try:
            await self.page.wait_for_function(IN_ORDER, arg=[log, self.lines, list(texts)])
        except PlaywrightTimeout:
            stands = await self.log.locator(self.lines).all_text_contents()
            raise AssertionError(f"does not read\n{list(texts)}\nbut\n{stands}") from None

    async def does_not_read(self, *texts: str) -> None:
        """None of these anywhere in the document, shown or not."""
        content = await self.page.content()
        assert [text for text in texts if text in content] == []


class Chatter(Person):
    """Who seeks help."""

    def __init__(self, page: Page, base: str):
        super().__init__(page, base)
        self.other_site_answers = asyncio.Event()
        self.other_site_answers.set()

    async def other_site(self, route: Route) -> None:
        """Where the quick exit goes; slow, while `other_site_answers` is cleared."""
        await self.other_site_answers.wait()
        await route.fulfill(body=NEUTRAL, content_type="text/html; charset=utf-8")

    @property
    def status(self) -> Locator:
        return self.page.get_by_role("status").first

    @property
    def way_out(self) -> Locator:
        return self.button("Verlaat deze site snel").or_(self.page.get_by_role("link", name="Verlaat deze site snel", exact=True))

    async def starts(self, nickname: str = "", municipality: str = "Purmerend", role: str = "", text: str = "") -> Self:
        """Opens the page and begins a conversation, as somebody of the region Zaanstreek-Waterland."""
        await self.opens()
        await self.page.get_by_role("textbox", name="Hoe mogen we je noemen?").fill(nickname)
        await self.municipality.fill(municipality)
        if role:
            await self.page.get_by_role("radio", name=role).check()
        if text:
            await self.page.get_by_text("Waarmee kunnen we je helpen?").click()
            await self.page.get_by_role("textbox", name="Waarmee kunnen we je helpen?").fill(text)
        await self.presses("Start de chat")
        await expect(self.box).to_be_visible()
        return self

    @property
    def municipality(self) -> Locator:
        name = "In welke gemeente woon je?"
        return self.page.get_by_role("combobox", name=name).or_(self.page.get_by_role("textbox", name=name))

    async def is_told(self, words: str | re.Pattern[str]) -> None:
        """Reads these words in the line that says how the conversation stands."""
        await expect(self.status).to_contain_text(words)

    def own(self, text: str) -> Locator:
        """One's own message, with what is said about it."""
        return self.log.get_by_role("article").filter(has_text=text)

    async def sees(self, text: str, state: str) -> None:
        """One's own message with `Wordt verstuurd`, `Verstuurd` or `Nog niet verstuurd`."""
        await expect(self.own(text)).to_contain_text(state)

    async def stops(self) -> None:
        await self.presses("Stop het gesprek")
        await self.presses("Ja, stop")
        await self.sees_the_end()

    async def sees_the_end(self) -> None:
        await expect(self.page.get_by_role("heading", name="Het gesprek is klaar.")).to_be_visible()

    async def sees_the_start(self) -> None:
        await expect(self.button("Start de chat")).to_be_visible()

    async def leaves(self) -> None:
        await self.way_out.click()

    async def leaves_in_one_frame(self) -> str:
        """Presses the way out; answers with the text of the document before the next frame is painted."""
        next_frame = asyncio.ensure_future(self.page.evaluate(NEXT_FRAME))
        await self.way_out.click(no_wait_after=True)
        async with asyncio.timeout(SOON / 1000):
            return await next_frame

    async def looks_away(self) -> None:
        """To another tab or app: a headless browser has none, so the page is told."""
        await self.page.evaluate(VISIBILITY, "hidden")

    async def looks_again(self) -> None:
        await self.page.evaluate(VISIBILITY, "visible")

    async def cookies(self) -> dict[str, Any]:
        return {cookie["name"]: cookie for cookie in await self.page.context.cookies()}

    async def keeps_only(self, names: set[str]) -> None:
        """The browser has taken in what the answer of the exit deletes: that comes after the page has gone."""
        async with asyncio.timeout(SOON / 1000):
            while set(await self.cookies()) != names:
                pass  # each look is a round trip to the browser

    async def is_gone(self, base: str) -> None:
        """Ends the conversation, if this browser still holds one, whatever its page shows."""
        request = self.page.context.request
        page = await (await request.get(f"{base}/")).text()
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        if token:
            headers = {"Accept": "application/json", "X-CSRFToken": token[1], "Origin": base}
            await request.post(f"{base}/end/", headers=headers)


class Employee(Person):
    """Who answers, at the workspace."""

    home = "/staff/"
    lines = ".entry-text, .notice > p"

    async def is_on_duty(self) -> Self:
        """Starts duty, unless it runs already."""
        running, start = self.button("Beëindig dienst"), self.button("Start dienst")
        await expect(running.or_(start).first).to_be_visible()
        if await start.count():
            await start.click()
        await expect(running).to_be_visible()
        return self

    async def has_a_line(self) -> None:
        await expect(self.page.get_by_role("banner").get_by_role("status")).to_have_text("● verbonden")

    async def has_lost_the_line(self) -> None:
        await expect(self.page.get_by_role("banner").get_by_role("status")).not_to_have_text("● verbonden")

    def list_of(self, name: str) -> Locator:
        return self.page.get_by_role("list", name=name, exact=True)

    def waiting(self, nickname: str) -> Locator:
        return self.list_of("Wachtrij").get_by_role("listitem").filter(has=self.page.get_by_text(nickname, exact=True))

    def alarm(self, words: str) -> Locator:
        return self.list_of("Alarmen").get_by_role("listitem").filter(has_text=words)

    async def takes(self, words: str) -> None:
        """Takes care of the alarm that says so."""
        await self.alarm(words).get_by_role("button", name="Ik pak dit op", exact=True).click()

    def held(self, nickname: str, within: str = "Mijn gesprekken") -> Locator:
        return self.list_of(within).get_by_role("listitem").filter(has=self.page.get_by_text(nickname, exact=True))

    async def sees_waiting(self, nickname: str) -> None:
        await expect(self.waiting(nickname)).to_be_visible()

    async def accepts(self, nickname: str) -> None:
        await self.asks_for(nickname)
        await self.has_in_front(nickname)

    async def asks_for(self, nickname: str) -> None:
        """Presses `Neem gesprek aan`, whatever the answer will be."""
        await self.waiting(nickname).get_by_role("button", name="Neem gesprek aan", exact=True).click()

    async def has_in_front(self, nickname: str) -> None:
        await expect(self.page.get_by_role("heading", name=nickname, exact=True)).to_be_visible()

    async def turns_to(self, nickname: str, within: str = "Mijn gesprekken") -> None:
        await self.held(nickname, within).get_by_role("button").click()
        await self.has_in_front(nickname)

    async def ends(self) -> None:
        """The conversation in front."""
        await self.presses("Rond gesprek af")
        await self.page.get_by_role("dialog").get_by_role("button", name="Ja, rond af", exact=True).click()

    # ------------------------------------------------------------ passing on, the telephone, and going

    @property
    def question(self) -> Locator:
        """What the page asks, in front of everything else."""
        return self.page.get_by_role("dialog")

    @property
    def telephone(self) -> Locator:
        return self.page.get_by_role("switch", name="Aan de telefoon", exact=True)

    def colleague(self, name: str) -> Locator:
        return self.list_of("Collega's in dienst").get_by_role("listitem").filter(has=self.page.get_by_text(name, exact=True))

    async def transfers(self, to: str, note: str = "") -> None:
        """Asks a colleague to take the conversation in front over, with a word for them alone."""
        await self.presses("Draag over")
        await self.asks(to, note)

    async def asks(self, colleague: str, note: str = "") -> None:
        """Answers the question who is to take it over."""
        await self.question.get_by_role("radio", name=colleague).check()
        await self.question.get_by_role("textbox", name="Alleen voor je collega").fill(note)
        await self.question.get_by_role("button", name=f"Vraag {colleague}", exact=True).click()
        await expect(self.question.get_by_role("radio")).to_have_count(0)

    async def asks_all(self, colleague: str) -> None:
        """While leaving: one colleague for everything that still runs."""
        await self.question.get_by_role("button", name=f"Vraag {colleague} om alles over te nemen", exact=True).click()

    async def wants_to_leave(self, button: str = "Beëindig dienst") -> None:
        """And may not yet: what is still to be done stands in front."""
        await self.presses(button)
        await expect(self.question.get_by_role("button", name="Ik ga nu", exact=True)).to_be_disabled()

    async def sees_progress(self, nickname: str, words: str) -> None:
        """Of one conversation, while leaving."""
        rows = self.question.get_by_role("list", name="Jouw gesprekken").get_by_role("listitem")
        await expect(rows.filter(has=self.page.get_by_text(nickname, exact=True))).to_contain_text(words)

    async def leaves_at_once(self) -> None:
        """Holding nothing, and with a colleague there."""
        await self.is_told(re.compile("collega(’s|'s)? bereikbaar"))
        await self.presses("Beëindig dienst")
        await expect(self.button("Start dienst")).to_be_visible()

    async def goes(self) -> None:
        """After what had to be handed over, as soon as that is allowed."""
        await expect(self.question).to_contain_text("Je kunt nu gaan.")
        await self.question.get_by_role("button", name="Ik ga nu", exact=True).click()
        await expect(self.button("Start dienst")).to_be_visible()

    # ------------------------------------------------------------ the registration beside it

    @property
    def registration(self) -> Locator:
        return self.page.get_by_role("form", name="Registratie", exact=True)

    async def fills_in(self, content: str, advice: str) -> None:
        await self.registration.get_by_role("textbox", name="Inhoud van het gesprek").fill(content)
        await self.registration.get_by_role("textbox", name="Gegeven advies").fill(advice)

    async def registers(self, nickname: str) -> None:
        await self.presses("Registreer")
        await expect(self.held(nickname, "Nog te registreren")).to_have_count(0)


class Coordinator(Person):
    """Who closes what employees have registered."""

    home = "/admin/"

    async def opens_the_newest(self, to_do: str) -> None:
        """The newest registration of the list that is filtered by what is to be done."""
        await self.opens()
        await self.page.get_by_role("link", name="Registraties", exact=True).first.click()
        await self.page.get_by_role("link", name=to_do, exact=True).click()
        await self.page.get_by_role("rowheader").first.get_by_role("link").click()
        await expect(self.page.get_by_role("heading", name=re.compile("^Registratie "))).to_be_visible()

    async def closes(self) -> None:
        await self.presses("Sluit af")

    async def chooses(self, label: str, *codes: str) -> None:
        """In a list of one code, or of several."""
        group = self.page.get_by_role("group", name=label)
        for code in codes:
            if await group.count():
                await group.get_by_role("checkbox", name=code, exact=True).check()
            else:
                await self.page.get_by_label(label).select_option(label=code)


class People:
    """Everybody of one test: `chatter = await people.chatter()`. Whoever still talks at its end is led out."""

    def __init__(self, browser: Callable[..., Awaitable[Page]], base: str, target: str, sessions: dict[str, Any]):
        """`sessions`: the cookies of who has logged in before on this server; a password is slow to check, on purpose."""
        self._browser, self._base, self._target, self._sessions = browser, base, target, sessions
        self._chatters: list[Chatter] = []

    async def chatter(self, base: str = "", clock: bool = False, **options: Any) -> Chatter:
        """
        `base`: the proxy that this person's line goes through. `clock`: `time_passes` moves the time of the page.

        Everything else is an option of the browser.
        """
        page = await self._page(clock, options)
        page.watch.allow(self._target)
        chatter = Chatter(page, base or self._base)
        await page.route(f"{self._target}**", chatter.other_site)
        self._chatters.append(chatter)
        return chatter

    async def blank_page(self) -> Page:
        """What an empty page looks like in the size of this test."""
        return await self._browser()

    async def other_tab(self, chatter: Chatter) -> Chatter:
        """A second page of the same browser."""
        page = await chatter.page.context.new_page()
        return await Chatter(page, chatter.base).opens()

    async def employee(self, login: str = "fo-zw-1", base: str = "", clock: bool = False, on_duty: bool = True, **options: Any) -> Employee:
        """Logged in, and on duty unless the test says otherwise."""
        employee = Employee(await self._page(clock, options), base or self._base)
        await self._lets_in(employee, login)
        return await employee.is_on_duty() if on_duty else employee

    async def coordinator(self, login: str = "coordinator-zw", **options: Any) -> Coordinator:
        coordinator = Coordinator(await self._browser(**options), self._base)
        await self._lets_in(coordinator, login)
        return coordinator

    async def _lets_in(self, person: Person, login: str) -> None:
        await person.page.context.add_cookies(self._sessions.get(login, []))
        await person.logs_in(login)
        self._sessions[login] = await person.page.context.cookies()

    async def _page(self, clock: bool, options: dict[str, Any]) -> Page:
        page = await self._browser(**options)
        if clock:
            await page.clock.install()
        return page

    async def go(self) -> None:
        for chatter in self._chatters:
            await chatter.is_gone(self._base)

"""Process 1.2, step Advise: two people talk, each about one thing, and nobody reads what is not for them."""

import re

import pytest
from playwright.async_api import expect

# What has run somewhere, one for each way by which typed text could become markup, script, address or format (threat-model X1).
PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<iframe srcdoc='<script>parent.alert(1)</script>'></iframe>",
    '<a href="javascript:alert(1)" autofocus onfocus=alert(1)>klik</a>',
    '"><input autofocus onfocus=alert(1)>',
    "'-alert(1)-'",
    "${alert(1)} {{constructor.constructor('alert(1)')()}} {% debug %}",
    "</textarea></script><script>alert(1)</script>",
    "<!--<img src=--><img src=x onerror=alert(1)//>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "<template><script>alert(1)</script></template>",
    "</template><img src=x onerror=alert(1)>",
    "&lt;img src=x onerror=alert(1)&gt; &amp; &quot;",
    "javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "\\u003cscript\\u003ealert(1)\\u003c/script\\u003e",
    "%3Cscript%3Ealert(1)%3C/script%3E",
    "<style>@import '//evil.example/x.css';*{display:none}</style>",
    "<meta http-equiv=refresh content='0;url=//evil.example/'>",
    "<base href=//evil.example/><form action=//evil.example/><button>Verstuur</button></form>",
    "<link rel=prefetch href=//evil.example/>",
    "__proto__ constructor toString hasOwnProperty",
    '{"type":"ack","id":"1","seq":1}',
    "[klik](javascript:alert(1)) ![x](//evil.example/x.png) **vet** `code`",
    "\u202egnirts a si siht\u202c en gewoon",
]
TRAP = "for (const name of ['alert', 'confirm', 'prompt', 'print', 'open']) window[name] = () => { window.ran = name; };"


async def test_two_people_talk_and_each_reads_all_of_it_in_order(people):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Roos", text="Mag ik iets vragen?")
    await employee.accepts("Roos")

    await employee.sends("Natuurlijk.", "Kun je nu veilig praten?")
    await chatter.reads("Kun je nu veilig praten?")
    await chatter.sends("Ja, ik ben alleen.")
    await employee.reads("Ja, ik ben alleen.")
    await employee.sends("Vertel maar.")

    talk = ["Mag ik iets vragen?", "Natuurlijk.", "Kun je nu veilig praten?", "Ja, ik ben alleen.", "Vertel maar."]
    await chatter.reads(*talk)
    await employee.reads(*talk)
    await expect(employee.log).to_contain_text("tot hier gezien")


async def test_each_side_sees_that_the_other_is_typing(people):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Typ")
    await employee.accepts("Typ")

    await chatter.writes("Ik denk na over")
    await employee.writes("Neem de tijd")

    await employee.is_told("Typ typt")
    await expect(chatter.page.get_by_text("Medewerker 1 (ZW) typt")).to_be_visible()
    await chatter.does_not_read("Neem de tijd")
    await employee.does_not_read("Ik denk na over")


async def test_a_draft_belongs_to_its_conversation(people):
    first, second, employee = await people.chatter(), await people.chatter(), await people.employee()
    for chatter, nickname in ((first, "Anna"), (second, "Bart")):
        await chatter.starts(nickname)
        await employee.accepts(nickname)
    await employee.writes("Alleen voor Bart")

    await employee.turns_to("Anna")
    await expect(employee.box).to_have_value("")
    await employee.sends("Alleen voor Anna")
    await first.reads("Alleen voor Anna")
    await employee.turns_to("Bart")
    await expect(employee.box).to_have_value("Alleen voor Bart")
    await employee.presses("Verstuur")

    await second.reads("Alleen voor Bart")
    await first.does_not_read("Alleen voor Bart")
    await second.does_not_read("Alleen voor Anna")


async def test_a_new_message_in_a_conversation_that_is_not_in_front_is_counted_and_moves_nothing(people):
    first, second, employee = await people.chatter(), await people.chatter(), await people.employee()
    for chatter, nickname in ((first, "Carla"), (second, "Daan")):
        await chatter.starts(nickname)
        await employee.accepts(nickname)

    await first.sends("Hallo?", "Ben je er nog?")

    await expect(employee.held("Carla")).to_contain_text("2 nieuw")
    await expect(employee.page.get_by_role("heading", name="Daan", exact=True)).to_be_visible()
    await employee.turns_to("Carla")
    await employee.reads("Hallo?", "Ben je er nog?")
    await expect(employee.held("Carla")).not_to_contain_text("nieuw")


async def test_a_reload_in_the_middle_keeps_the_conversation_and_forgets_what_was_not_sent(people):
    """The draft too: a field that fills itself again is a trace on the device (threat-model D9)."""
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Els", text="Eerst")
    await employee.accepts("Els")
    await employee.sends("Daarna")
    await chatter.reads("Eerst", "Daarna")
    await chatter.writes("Nog niet verstuurd woord")

    await chatter.reloads()
    await chatter.reads("Eerst", "Daarna")
    await expect(chatter.box).to_have_value("")
    await chatter.is_told("Medewerker 1 (ZW) is er.")
    await employee.reloads()
    await employee.turns_to("Els")
    await employee.reads("Eerst", "Daarna")

    await chatter.sends("Na het herladen")
    await employee.sends("Ook hier")
    await chatter.reads("Eerst", "Daarna", "Na het herladen")
    await employee.reads("Eerst", "Daarna", "Na het herladen")
    await chatter.reads("Ook hier")


async def test_two_tabs_of_one_browser_show_the_same_conversation(people):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Tabs", text="Vanaf het eerste blad")
    await employee.accepts("Tabs")
    other = await people.other_tab(chatter)

    await other.sends("Vanaf het tweede blad")
    await employee.sends("Voor allebei")

    for screen in (chatter, other):
        await screen.reads("Vanaf het eerste blad", "Vanaf het tweede blad")
        await screen.reads("Voor allebei")


async def test_a_message_that_is_too_long_stays_in_the_box_with_the_reason(people):
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Lang")
    await employee.accepts("Lang")
    long = "lang verhaal " * 400

    await chatter.sends(long)
    await employee.sends(long)

    await expect(chatter.page.get_by_text("Dit bericht is te lang. Maak er twee berichten van.")).to_be_visible()
    await expect(chatter.box).to_have_value(long)
    await employee.is_told(re.compile(r"\d+ tekens te veel"))
    await expect(employee.box).to_have_value(long)
    await expect(chatter.log).not_to_contain_text("lang verhaal")
    await expect(employee.log).not_to_contain_text("lang verhaal")


async def test_an_address_is_never_a_link(people):
    """threat-model D12: also not for the employee, who may copy it."""
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Adres")
    await employee.accepts("Adres")

    await employee.sends("Kijk op https://www.rijksoverheid.nl/huiselijk-geweld eens.")
    await chatter.sends("Bedoel je www.rijksoverheid.nl of http://127.0.0.1/x?")

    await expect(employee.log).to_contain_text("http://127.0.0.1/x")
    await expect(chatter.log).to_contain_text("https://www.rijksoverheid.nl/huiselijk-geweld")
    await expect(chatter.log.get_by_role("link")).to_have_count(0)
    await expect(employee.log.get_by_role("link")).to_have_count(0)


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_what_looks_like_code_is_shown_as_it_was_typed_and_never_runs(people, scripts):
    """threat-model X1, in nickname and message, on both sides; a violation of the policy fails the test."""
    chatter, employee = await people.chatter(java_script_enabled=scripts), await people.employee()
    for person in (chatter, employee):
        await person.page.add_init_script(TRAP)
    await employee.reloads()
    name = f"<img src=x onerror=alert({scripts})>"
    await chatter.starts(name, municipality="<script>alert(1)</script>", text=PAYLOADS[0])
    await employee.accepts(name)

    typed = PAYLOADS if scripts else PAYLOADS[:4]
    await chatter.sends(*typed[1:])
    await employee.reads(*typed)
    await employee.reloads()
    await employee.turns_to(name)
    answer = "\n".join(PAYLOADS)
    await employee.sends(answer)
    await employee.reads(*typed, answer)
    if scripts:
        await chatter.reads(*typed, answer)
    await chatter.reloads()
    await chatter.reads(*typed, answer)

    for person in (chatter, employee):
        assert person.dialogs == []
        assert await person.page.evaluate("window.ran") is None
        await expect(person.log.locator("img, script, svg, iframe, style, link, a, form, input")).to_have_count(0)


async def test_a_whole_conversation_needs_no_script(people):
    chatter, employee = await people.chatter(java_script_enabled=False), await people.employee()

    await chatter.starts("Zonder", text="Mijn browser kan weinig")
    await chatter.reads("Mijn browser kan weinig")
    await employee.accepts("Zonder")
    await employee.sends("Dat geeft niet")
    await chatter.reloads()
    await chatter.reads("Mijn browser kan weinig", "Dat geeft niet")
    await chatter.sends("Fijn")
    await chatter.reads("Mijn browser kan weinig", "Dat geeft niet", "Fijn")
    await employee.reads("Mijn browser kan weinig", "Dat geeft niet", "Fijn")


async def test_without_scripts_new_messages_come_by_themselves_and_what_is_typed_stays(people):
    chatter, employee = await people.chatter(java_script_enabled=False), await people.employee()
    await chatter.starts("Vanzelf")
    await employee.accepts("Vanzelf")
    await chatter.writes("Ik ben nog aan het typen")

    await employee.sends("Ik ben er")

    await expect(chatter.page.frame_locator("iframe[title='Nieuwe berichten']").get_by_text("Ik ben er")).to_be_visible()
    await expect(chatter.box).to_have_value("Ik ben nog aan het typen")


async def test_without_scripts_a_refused_message_comes_back_with_the_reason(people):
    chatter = await people.chatter(java_script_enabled=False)
    await chatter.starts("Terug")
    long = "te lang " * 600

    await chatter.sends(long)

    await expect(chatter.box).to_have_value(re.compile("^te lang te lang"))
    await expect(chatter.page.get_by_text("Je bericht is te lang. Stuur het in twee delen.")).to_be_visible()
    await expect(chatter.way_out).to_be_visible()


async def test_after_a_while_away_the_conversation_shows_itself_only_at_a_tap(people):
    """threat-model D14: nobody reads along in the overview of apps, or on a device that was put down."""
    chatter = await people.chatter(clock=True)
    await chatter.starts("Even weg", text="Niet voor anderen")
    await chatter.reads("Niet voor anderen")

    await chatter.looks_away()
    await chatter.time_passes(seconds=31)
    await chatter.looks_again()
    await expect(chatter.page.get_by_text("Niet voor anderen")).not_to_be_visible()
    await expect(chatter.way_out).to_be_visible()
    await chatter.presses("Laat het gesprek zien")

    await expect(chatter.page.get_by_text("Niet voor anderen")).to_be_visible()


async def test_earlier_messages_can_be_hidden_and_new_ones_are_shown(people):
    """threat-model D15."""
    chatter, employee = await people.chatter(), await people.employee()
    await chatter.starts("Verberg", text="Iets van eerder")
    await employee.accepts("Verberg")
    await chatter.sends("Nog iets van eerder")
    await chatter.reads("Iets van eerder", "Nog iets van eerder")

    await chatter.presses("Verberg eerdere berichten")
    await employee.sends("Iets van nu")

    await expect(chatter.page.get_by_text("Iets van nu")).to_be_visible()
    await expect(chatter.page.get_by_text("Iets van eerder", exact=True)).not_to_be_visible()
    await chatter.presses("Laat eerdere berichten zien")
    await expect(chatter.page.get_by_text("Iets van eerder", exact=True)).to_be_visible()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without scripts"])
async def test_the_conversation_has_the_names_of_the_contract(people, scripts):
    chatter = await people.chatter(java_script_enabled=scripts)
    await chatter.starts(f"Namen {scripts}")

    await expect(chatter.log).to_be_attached()
    await expect(chatter.box).to_be_visible()
    await expect(chatter.status).not_to_be_empty()
    for name in ("Verstuur", "Stop het gesprek", "Verlaat deze site snel"):
        await expect(chatter.button(name)).to_be_visible()

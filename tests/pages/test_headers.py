"""What every answer of every address carries (threat-model D5, D11, N8, N10, S9), and what public pages never say (D2, D3, D8, D10)."""

import re

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils import translation

from tests.client import Chatter, Employee, Site
from tests.factories import ConversationFactory, EmployeeFactory, RegionFactory, writes


@pytest.fixture
async def site(transactional_db, clock):
    site = Site(clock)
    yield site
    await site.close()


def addresses(patterns=None, before: str = "/") -> list[str]:
    """Every address of the product without parameters."""
    found = []
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += addresses(pattern.url_patterns, route)
        elif isinstance(pattern, URLPattern) and "<" not in route and "(?P" not in route:
            found.append(route)
    return found


def policy(answer) -> dict[str, str]:
    return dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))


async def everybody(site: Site) -> list:
    """Nobody in particular, a chatter, somebody of the Front Office, the national administrator."""
    region = await site.there_is(RegionFactory, open=True)
    conversation = await site.there_is(ConversationFactory, region=region, held=True)
    front_office = await site.there_is(EmployeeFactory, region=region, on_duty=True)
    administrator = await site.there_is(EmployeeFactory, role="administrator", region=None, is_staff=True, is_superuser=True)
    people = [Chatter(site), Chatter(site).holds(conversation.secret)]
    return [*people, *[await Employee(site).logs_in(who) for who in (front_office, administrator)]]


async def test_every_answer_of_every_address_carries_what_protects(site):
    for person in await everybody(site):
        for address in [*addresses(), "/nergens/", "/entries/?after=x", "/?lang=en", "/?region=nergens"]:
            for accept in ("text/html",) if address.startswith("/admin/") else ("text/html", "application/json"):
                answer = await person.gets(address, accept=accept)
                where = (address, accept, answer.status_code)

                assert answer.status_code < 500, where
                assert "no-store" in answer.headers["Cache-Control"], where
                assert answer.headers["Referrer-Policy"] == "same-origin", where
                assert answer.headers["X-Content-Type-Options"] == "nosniff", where
                assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin", where
                assert answer.headers["Cross-Origin-Resource-Policy"] == ("cross-origin" if address == "/status.json" else "same-origin")
                assert answer.headers["X-DNS-Prefetch-Control"] == "off", where
                assert int(answer.headers["Strict-Transport-Security"].split("=")[1].split(";")[0]) >= 365 * 24 * 3600, where
                assert "camera=()" in answer.headers["Permissions-Policy"], where
                assert "attachment" not in answer.headers.get("Content-Disposition", ""), where
                rules = policy(answer)
                assert rules["default-src"] == "'none'", where
                assert "unsafe" not in answer.headers["Content-Security-Policy"], where
                assert "http" not in answer.headers["Content-Security-Policy"], where
                framed = "'self'" if answer.request.url.path == "/entries/" else "'none'"
                assert rules["frame-ancestors"] == framed, where
                assert rules["form-action"] == "'self'", where
                if not address.startswith("/admin/"):
                    assert rules["require-trusted-types-for"] == "'script'", where
                    assert rules["trusted-types"] == ("fragments" if address.startswith("/staff/") else "'none'"), where
                if address != "/status.json":
                    assert "Access-Control-Allow-Origin" not in answer.headers, where


async def test_every_script_and_style_on_a_page_carries_this_answers_nonce(site):
    seen = set()
    for person in await everybody(site):
        for address in ("/", "/staff/login/", "/staff/", "/nergens/"):
            answer = await person.gets(address)
            nonce = re.search(r"'nonce-([^']+)'", answer.headers["Content-Security-Policy"])[1]
            assert nonce not in seen
            seen.add(nonce)
            for tag in re.findall(r"<(?:script|style)\b[^>]*>", answer.text):
                assert f'nonce="{nonce}"' in tag or 'type="application/json"' in tag, tag
            assert not re.search(r"""\son[a-z]+=["']|\sstyle=|javascript:""", answer.text)


async def test_static_files_are_kept_for_ever_under_the_name_of_their_content(site):
    """N8."""
    visitor, _, employee, administrator = await everybody(site)
    pages = [(await visitor.gets("/")).text, (await employee.gets("/staff/")).text, (await administrator.gets("/admin/")).text]
    assets = {asset for page in pages for asset in re.findall(r"""(?:src|href)=["'](/static/[^"']+)""", page)}

    assert len(assets) > 5
    for asset in assets:
        file = await visitor.gets(asset, accept="*/*")

        assert re.search(r"\.[0-9a-f]{12}\.\w+$", asset)
        assert file.status_code == 200
        assert "immutable" in file.headers["Cache-Control"]
        assert file.headers["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in file.headers
        assert "Access-Control-Allow-Origin" not in file.headers


@pytest.mark.parametrize("address", ["/", "/entries/?after=0"])
async def test_a_public_page_loads_nothing_from_anybody_else(site, address):
    conversation = await site.there_is(ConversationFactory, text="Kijk op https://example.nl/hulp", held=True)
    page = (await Chatter(site).holds(conversation.secret).gets(address)).text

    assert "https://example.nl/hulp" in page
    assert not re.findall(r"""(?:src|href|action|poster|data)=["'](?:https?:)?//""", page)  # D12: nothing typed becomes a link


async def test_public_pages_say_nothing_in_title_icon_and_names(site):
    """D2."""
    words = ("veilig", "thuis", "geruisloos", "geweld", "hulp", "chat")
    visitor, talking = (await everybody(site))[:2]
    pages = [await visitor.gets("/"), await talking.gets("/"), await visitor.gets("/nergens/")]
    site.clock.at("2026-11-24 20:00")
    pages.append(await visitor.gets("/"))

    for page in pages:
        title = re.search(r"<title>([^<]*)</title>", page.text)[1]
        assets = re.findall(r"""(?:src|href)=["'](/static/[^"']+)""", page.text)
        assert assets
        assert title
        assert not [word for word in words if word in f"{title} {assets}".lower()]
        assert 'rel="icon" href="data:,"' in page.text
        assert not re.search(r"<audio|<video|manifest|serviceWorker|rel=\"(?:preconnect|dns-prefetch)\"", page.text)


async def test_public_fields_remember_nothing(site):
    """D8, D9."""
    visitor, talking = (await everybody(site))[:2]
    for page in (await visitor.gets("/"), await talking.gets("/")):
        for field in re.findall(r"<(?:input|textarea)\b[^>]*>", page.text):
            if 'type="hidden"' not in field:
                assert 'autocomplete="off"' in field, field
            if 'type="hidden"' not in field and 'type="radio"' not in field:
                assert 'spellcheck="false"' in field, field
        assert 'type="password"' not in page.text


async def test_the_exit_stands_first_on_every_public_page(site):
    """D1, D9: reachable as the first stop of the keyboard, and without script."""
    visitor, talking = (await everybody(site))[:2]
    pages = [await visitor.gets("/"), await talking.gets("/"), await visitor.gets("/nergens/")]
    await talking.posts("/end/")
    pages.append(await talking.gets("/"))
    site.clock.at("2026-11-24 20:00")
    pages.append(await visitor.gets("/"))

    with translation.override("nl"):
        for page in pages:
            body = page.text[page.text.index("<body") :]
            first = re.search(r"<(?:a|button|input|textarea|select)\b(?![^>]*type=\"hidden\")[^>]*>\s*([^<]*)", body)
            assert "Verlaat deze site snel" in first[1]
            assert re.search(r'<form[^>]*action="/leave/"', body).start() < first.start()


async def test_the_page_of_a_conversation_shows_what_people_typed_as_text(site):
    """X1."""
    payload = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    conversation = await site.there_is(ConversationFactory, nickname=payload[:40], text=payload, held=True)
    await site.there_is(writes, conversation, f"</p>{payload}")
    chatter = Chatter(site).holds(conversation.secret)

    for page in (await chatter.gets("/"), await chatter.gets("/entries/?after=0")):
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text


async def test_the_status_is_for_everybody_and_says_nothing_of_people(site):
    """N10."""
    region = await site.there_is(RegionFactory, open=True)
    asks = Chatter(site)

    line, own, nowhere = [
        await asks.gets(f"/status.json{query}", accept="*/*") for query in ("", f"?region={region.code}", "?region=nergens")
    ]
    site.clock.at("2026-11-24 17:00")
    closed = (await asks.gets("/status.json", accept="*/*")).json()

    assert line.json() == {"open": True, "opens_at": None, "closes_at": "2026-11-24T16:00:00Z", "region": None}
    assert own.json()["region"] == region.code
    assert nowhere.status_code == 404
    assert {answer.headers["Access-Control-Allow-Origin"] for answer in (line, own, nowhere)} == {"*"}
    assert closed == {"open": False, "opens_at": "2026-11-25T08:00:00Z", "closes_at": None, "region": None}
    assert not line.headers.get("Set-Cookie")

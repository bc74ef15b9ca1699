"""What waits, on every screen that can take it: own region first, then whoever has room (process 1.2, step Accept; P7, P8)."""

from chat import entries
from chat.models import Conversation
from staffing.models import Closure, Region
from tests.client import Chatter, Employee
from tests.factories import ConversationFactory, EmployeeFactory, MunicipalityFactory, RegionFactory


def waiting(employee: Employee) -> list[tuple[str, str]]:
    """The conversations on this screen, with why."""
    return [(chat["conversation"], chat["offer"]) for chat in employee.line.screen.queue[0]]


async def region_of(employee: Employee) -> Region:
    """Read in a thread of the product: whoever has accepted was read anew, and knows the number of the region only."""
    return await employee.site.there_is(lambda: employee.who.region)


async def at_work(site, **fields) -> Employee:
    employee = await Employee(site).logs_in(await site.there_is(EmployeeFactory, on_duty=True, **fields))
    await employee.connects()
    return employee


async def test_a_new_chat_is_on_every_screen_of_its_region_with_what_is_known_of_it(site):
    region = await site.there_is(RegionFactory, open=True)
    place = await site.there_is(MunicipalityFactory, region=region)
    first, second = await at_work(site, region=region), await at_work(site, region=region)

    chatter = Chatter(site)
    await chatter.starts(nickname="Zij", municipality=place.name, role="close")
    await site.settled()

    conversation = await site.there_is(Conversation.objects.get)
    expected = {
        "conversation": str(conversation.pk),
        "region": region.code,
        "offer": "own",
        "since": "2026-11-24T09:00:00Z",
        "nickname": "Zij",
        "role": "close",
        "peer": "here",
    }
    for employee in (first, second):
        assert employee.line.screen.queue == ([expected], 3)


async def test_a_chat_that_waited_before_the_server_began_is_on_the_screen_too(site):
    region = await site.there_is(RegionFactory)
    await site.there_is(ConversationFactory, nickname="Zij", region=region)
    entries.forget_keys()

    employee = await at_work(site, region=region)

    assert [chat["nickname"] for chat in employee.line.screen.queue[0]] == ["Zij"]


async def test_what_one_employee_takes_leaves_the_screens_of_the_others_and_the_loser_hears_who_was_first(site):
    region = await site.there_is(RegionFactory)
    first, second = await at_work(site, region=region), await at_work(site, region=region)
    conversation = await site.there_is(ConversationFactory, region=region)
    await site.settled()
    assert waiting(second) == [(str(conversation.pk), "own")]

    await first.accepts(conversation)
    second.line.says("accept", conversation=conversation.pk)
    refused = await second.line.hears("refused")
    await site.settled()

    assert (refused["code"], refused["conversation"]) == ("already_accepted", str(conversation.pk))
    assert waiting(first) == waiting(second) == []
    assert first.line.screen.queue[1] == 2


async def test_of_two_who_accept_at_the_same_moment_one_is_welcomed(site):
    region = await site.there_is(RegionFactory)
    people = [await at_work(site, region=region) for _ in range(5)]
    conversation = await site.there_is(ConversationFactory, region=region)

    for employee in people:
        employee.line.says("accept", conversation=conversation.pk)
    await site.settled()

    welcomed = [employee for employee in people if str(conversation.pk) in employee.line.screen.logs]
    refused = [frame["code"] for employee in people for frame in employee.line.frames if frame["type"] == "refused"]
    assert len(welcomed) == 1
    assert refused == ["already_accepted"] * 4


async def test_after_90_seconds_the_chat_is_offered_to_other_regions_with_room(site):
    own = await at_work(site)
    other, full = await at_work(site), await at_work(site, maximum=0)
    conversation = await site.there_is(ConversationFactory, region=own.who.region)

    await site.passes(seconds=89)
    before = waiting(other)
    await site.passes(seconds=1)

    assert before == []
    assert waiting(other) == [(str(conversation.pk), "overflow")]
    assert waiting(own) == [(str(conversation.pk), "own")]
    assert waiting(full) == []


async def test_a_chat_of_another_region_is_refused_without_room(site):
    own, full = await at_work(site), await at_work(site, maximum=0)
    conversation = await site.there_is(ConversationFactory, region=own.who.region)
    await site.passes(seconds=90)

    full.line.says("accept", conversation=conversation.pk)

    assert (await full.line.hears("refused"))["code"] == "no_room"


async def test_the_list_proves_at_least_every_20_seconds_that_it_is_alive(site, employee):
    employee.line.take()

    for _ in range(6):
        await site.passes(seconds=20)
        versions = [frame["version"] for frame in employee.line.take() if frame["type"] == "queue"]
        assert versions
        assert versions == sorted(versions)


async def test_a_chatter_reads_the_place_in_the_queue_and_that_it_gets_better(site, employee):
    first = await site.there_is(ConversationFactory, region=employee.who.region)
    site.clock.forward(seconds=1)
    second = Chatter(site).holds((await site.there_is(ConversationFactory, region=employee.who.region)).secret)
    await second.connects()
    assert second.line.screen.states[""] == {"state": "waiting", "position": 2, "employee": None, "peer": None}

    await employee.accepts(first)
    await site.settled()

    assert second.line.screen.states[""]["position"] == 1


async def test_a_drop_of_the_line_does_not_cost_the_place_in_the_queue(site, employee):
    first = Chatter(site).holds((await site.there_is(ConversationFactory, region=employee.who.region)).secret)
    await first.connects()
    site.clock.forward(seconds=1)
    await site.there_is(ConversationFactory, region=employee.who.region)

    await first.line.hangs_up()
    await site.passes(minutes=5)
    await first.connects()

    assert first.line.screen.states[""]["position"] == 1


async def test_the_chatter_reads_who_it_is_before_the_employee_types(site, employee):
    conversation = await site.there_is(ConversationFactory, region=employee.who.region)
    chatter = Chatter(site).holds(conversation.secret)
    await chatter.connects()

    await employee.accepts(conversation)
    notice = await chatter.line.hears("entry", seq=1)

    assert (notice["kind"], notice["author"], notice["name"]) == ("notice", "system", "")
    assert notice["text"].startswith("Ans ")
    await site.settled()
    assert chatter.line.screen.states[""]["employee"] == "Ans"


async def test_who_is_alone_and_who_else_is_there_stands_in_the_duty(site, employee):
    assert (employee.line.screen.duty["alone"], employee.line.screen.duty["may_leave"]) == (True, False)

    colleague = await at_work(site, region=employee.who.region, name="Bo")
    await site.settled()

    duty = employee.line.screen.duty
    assert (duty["alone"], duty["may_leave"], duty["reason"]) == (False, True, "")
    assert duty["colleagues"] == [{"id": colleague.who.pk, "name": "Bo", "room": 3, "connected": True}]

    colleague.line.falls_silent()
    await site.passes(seconds=36)
    assert (employee.line.screen.duty["alone"], employee.line.screen.duty["may_leave"]) == (True, False)


async def test_leaving_is_refused_to_the_last_one_with_the_reason_in_words(site, employee):
    refused = await employee.posts("/staff/duty/end/", script=True)

    assert refused.status_code == 409
    assert refused.json()["code"] == "last_one"
    assert refused.json()["detail"]


async def test_fifty_waiting_chats_are_all_offered(site, employee):
    def fifty() -> list[Conversation]:
        return [ConversationFactory(region=employee.who.region, text="Hoi") for _ in range(50)]

    conversations = await site.there_is(fifty)
    await site.settled()

    assert {pk for pk, _ in waiting(employee)} == {str(one.pk) for one in conversations}


async def test_a_chat_of_a_closed_region_goes_to_the_others_at_once_while_theirs_is_open(site):
    theirs, ours = [await site.there_is(RegionFactory, open=True) for _ in range(2)]
    own, other = await at_work(site, region=theirs), await at_work(site, region=ours)
    await site.there_is(Closure.objects.create, region=theirs, reason="storing", starts_at=site.clock.now())

    chat = await site.there_is(ConversationFactory, region=theirs)
    await site.settled()

    assert (waiting(own), waiting(other)) == ([(str(chat.pk), "own")], [(str(chat.pk), "overflow")])
    await other.accepts(chat)

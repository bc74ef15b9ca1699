"""The look: every process takes it at least every 4 s and at every change, so it costs the same however much has ended (P15)."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from chat import entries, handover, queue
from chat.models import Conversation
from staffing import clock as product_clock
from tests.factories import ConversationFactory, EmployeeFactory, RegionFactory

EMPLOYEES, ENDED = 100, 50_000
MANY = """
INSERT INTO chat_conversation (id, start_digest, region_id, role, language, nickname, municipality, state, started_at, waiting_since,
  accepted_at, ended_at, registered_at, holder_id, assignment, last_seq, end_kind, ended_by)
SELECT gen_random_uuid(), uuid_send(gen_random_uuid()), (%(regions)s::bigint[])[1 + n %% 10], '', 'nl', '', '', 'ended',
  %(at)s::timestamptz - n * interval '1 minute', %(at)s::timestamptz - n * interval '1 minute', %(at)s, %(at)s,
  CASE WHEN n %% 1000 > 0 THEN %(at)s::timestamptz END, (%(people)s::bigint[])[1 + n %% 100], 1, 0, 'agreed', 'employee'
FROM generate_series(1, %(many)s) n
"""


@pytest.fixture
def region(db, clock):
    entries.forget_keys()
    yield RegionFactory(open=True)
    entries.forget_keys()


def statements_of(do) -> int:
    with CaptureQueriesContext(connection) as queries:
        do()
    return len(queries)


@pytest.mark.parametrize("many", [1, 15])
def test_a_look_takes_the_same_statements_however_much_there_is(region, many):
    people = [EmployeeFactory(on_duty=True, region=region) for _ in range(many)]
    for employee in people:
        ConversationFactory(region=region, held=employee, nickname="Zij")
        ConversationFactory(region=region, nickname="Zij")
    passed_on = Conversation.objects.active().first()
    passed_on.transfer(by=passed_on.holder, to=EmployeeFactory(on_duty=True, region=region).pk, note="Let op", at=product_clock.now())
    at, employees = product_clock.now(), {one.pk for one in people}

    for_chatters = statements_of(lambda: queue.look({passed_on.pk}, (), at))
    entries.forget_keys()
    with_keys = statements_of(lambda: queue.look((), employees, at))
    for_employees = statements_of(lambda: queue.look((), employees, at))

    assert for_chatters == 3  # conversations, duties, regions
    assert for_employees == 3 + 2 + 4  # the watch and the alarms; closed days, closures, regions and hours
    assert with_keys == for_employees + 1


def much_has_ended() -> list[int]:
    """Every employee has had 500 conversations, and some of each kind run."""
    regions = [RegionFactory(open=True) for _ in range(10)]
    people = [EmployeeFactory(on_duty=True, region=regions[n % 10]) for n in range(EMPLOYEES)]
    at = product_clock.now()
    with connection.cursor() as cursor:
        cursor.execute(MANY, {"at": at, "many": ENDED, "people": [one.pk for one in people], "regions": [one.pk for one in regions]})
    for employee in people[:20]:
        ConversationFactory(region=employee.region, held=employee)
        ConversationFactory(region=regions[0])
    held = Conversation.objects.active().get(holder=people[0])
    held.transfer(by=people[0], to=people[10].pk, note="", at=at)
    handover.override(people[1], by=people[0], reason="Brand", at=at)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return [one.pk for one in people]


def plans(queries: CaptureQueriesContext) -> list[str]:
    """How the database went about each statement that reads conversations."""
    found = []
    with connection.cursor() as cursor:
        for query in queries:
            if '"chat_conversation"' in query["sql"] and query["sql"].lstrip("(").startswith("SELECT"):
                cursor.execute("EXPLAIN " + query["sql"].replace("%", "%%"))
                found.append("\n".join(str(row[-1]) for row in cursor.fetchall()))
    return found


@pytest.mark.postgresql_only
def test_neither_the_look_nor_the_watch_reads_what_has_ended(region):
    employees, at = much_has_ended(), product_clock.now()
    running = list(Conversation.objects.active().values_list("pk", flat=True))

    with CaptureQueriesContext(connection) as queries:
        queue.look(running, employees[:50], at)
        queue.look((), (), at)
        handover.look_after(at, blind=False)
        Conversation.objects.work_of(EmployeeFactory(region=region).region_id).count()
    found = plans(queries)

    assert len(found) >= 5
    assert [plan for plan in found if "Seq Scan on chat_conversation" in plan] == []

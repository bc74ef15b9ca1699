"""`make bench` without its servers: its arithmetic, the names that others read, and that its pairs are those that the product makes."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import models

from bench import prepare
from bench.__main__ import full, short
from bench.figures import as_json, growth, ratios, remarks, table
from bench.load import Connection, Line, Side
from bench.servers import Product, Stack, State
from chat import entries, protocol
from chat.models import Conversation
from registration.models import Registration
from staffing import clock
from staffing.access import employee_of_session
from tests.factories import ConversationFactory, EmployeeFactory, RegionFactory

FULL_MACHINE = {"load_busy": 0.95, "load_cpu": 0.9, "server_cpu": 0.7, "stores_cpu": 0.3, "others_cpu": 0.2}
QUIET = dict.fromkeys(FULL_MACHINE, 0.0)


def rates(*values: float, **more: float) -> list[dict[str, float]]:
    return [{"rate": value, "cpu_1000_s": 0.1, "cpu_1000_with_stores_s": 0.2} | QUIET | more for value in values]


SAMPLES = {
    "closed_50": {"floor": rates(1000, 2000, 500), "product": rates(400, 700, 250), "typical": rates(100, 100, 100)},
    "closed_100": {"product": rates(400, 500, 400)},
    "closed_1000": {"product": rates(400, 450, 200)},
    "open_100": {
        "floor": rates(100, 100, p50_ms=1, p99_ms=4),
        "product": rates(100, 100, p50_ms=1.5, p99_ms=8, cpu_1000_s=0.25),
    },
    "idle": {"product": [{"kib": 24.0}]},
}


# ---------------------------------------------------------------- arithmetic


def test_a_ratio_is_made_within_its_round():
    assert ratios(SAMPLES, "closed_50", "product", "rate") == [0.4, 0.35, 0.5]
    assert ratios(SAMPLES, "closed_100", "product", "rate") == []
    assert growth(SAMPLES) == [1.0, 0.9, 0.5]


def test_the_file_has_the_names_that_others_read():
    made = json.loads(json.dumps(as_json(SAMPLES)))

    assert made["closed_50"]["ratio"] == 0.4
    assert made["closed_50"]["spread"] == [0.35, 0.5]
    assert made["growth_1000_over_100"] == 0.9
    assert {name: made["open_100"][name] for name in ("p50_ratio", "p99_ratio", "cpu_ratio")} == {
        "p50_ratio": 1.5,
        "p99_ratio": 2,
        "cpu_ratio": 2.5,
    }
    assert made["idle_kib"] == 24
    assert made["typical_closed_50"]["ratio"] == 0.1


def test_what_could_not_be_measured_is_named_and_empty():
    made = as_json({})

    assert made["growth_1000_over_100"] is made["idle_kib"] is made["open_100"]["p99_ratio"] is None
    assert set(made) == {"closed_50", "open_100", "growth_1000_over_100", "idle_kib"} | {"typical_closed_50"}


def test_the_table_shows_median_ratio_and_spread():
    lines = list(table("sqlite", SAMPLES))

    (fifty,) = [line.split() for line in lines if "second, 50 pairs" in line]
    assert fifty[-7:] == ["1,000", "400", "0.40", "(0.35-0.50)", "100", "0.10", "(0.05-0.20)"]
    assert any(line.endswith("0.90 (0.50-1.00)") for line in lines)


def test_it_says_when_something_else_than_the_server_was_the_bottleneck():
    busy = {"closed_50": {"floor": rates(9000, **FULL_MACHINE), "product": rates(3000)}}

    told = list(remarks("sqlite", busy, processors=2))

    assert len(told) == 3
    assert all("closed_50, floor" in remark for remark in told)
    assert "generator was busy 95%" in told[0]
    assert "all 2 processors" in told[1]
    assert list(remarks("sqlite", busy, processors=4)) == [told[0], told[2]]


@pytest.mark.parametrize("plan", [short(1), full(1)], ids=["short", "full"])
def test_both_forms_measure_all_that_the_file_promises(plan):
    turns = {(turn.part, turn.column) for visit in plan.visits for turn in visit.of_round(0)}
    memory = {column for visit in plan.visits if visit.idle for column in visit.idle_among}

    assert {("closed_50", "floor"), ("closed_50", "product"), ("closed_50", "typical")} <= turns
    assert {("open_100", "floor"), ("open_100", "product"), ("closed_100", "product"), ("closed_1000", "product")} <= turns
    assert "product" in memory


def test_rates_of_100_and_1000_pairs_are_taken_side_by_side():
    for plan in (short(1), full(1)):
        assert any({100, 1000} <= {turn.pairs for turn in visit.turns} for visit in plan.visits)


# ---------------------------------------------------------------- load and product


def test_only_the_two_rates_are_off():
    environment = Product(Stack("sqlite", Path("somewhere"))).environment(State(Path("somewhere")))

    assert {name for name, value in environment.items() if value == "off"} == {"START_RATE", "FRAME_RATE"}


def test_a_side_sends_what_the_product_understands():
    about = '"conversation":"b3ad1d52-38d9-4a1c-8a37-5e3c0c1c9d8e","assignment":1,'
    side = Side(SimpleNamespace(), number=7, run="0123456789ab", about=about)

    frame = side.frame(255)
    sent = protocol.parse(frame[8:].decode(), protocol.STAFF)  # masked with zeros

    assert len(frame) - 8 == int.from_bytes(frame[2:4], "big")
    assert str(sent.id) == "000000ff-0007-4000-8000-0123456789ab"
    assert sent.assignment == 1


def test_an_answer_is_read_however_it_arrives():
    """In pieces, as a network hands it over."""
    seen = []
    server = SimpleNamespace(loop=SimpleNamespace(create_future=lambda: None), acknowledged=seen.append)
    line = Line(server, Connection("/ws/chatter/", "{}", [""]), port=1)
    line.connection_made(SimpleNamespace(write=lambda data: None))
    ack = b'{"type":"ack","id":"000000ff-0007-4000-8000-0123456789ab","seq":1,"at":"2026-11-24T09:00:00+00:00","padding":"0123456789"}'
    stream = b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + (b"\x81\x7e" + len(ack).to_bytes(2, "big") + ack) * 2

    for at in range(0, len(stream), 5):
        line.data_received(stream[at : at + 5])

    assert seen == [7, 7]


def rows() -> dict[str, int]:
    ours = [model for app in ("staffing", "chat", "registration") for model in apps.get_app_config(app).get_models()]
    return {model.__name__: model._default_manager.count() for model in [*ours, Session]}


def fields(row: models.Model) -> dict[str, object]:
    """What is not random, secret or somebody's own."""
    return {
        field.name: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if not isinstance(field, models.BinaryField) and field.name not in ("id", "reference", "holder", "region")
    }


@pytest.mark.django_db
def test_prepared_pairs_are_what_the_verbs_make(clock, client):
    region = RegionFactory(open=True)
    before = rows()
    employee = EmployeeFactory(on_duty=True, region=region)
    by_verbs, _ = [ConversationFactory(nickname="Sam", text="Hallo.", region=region, held=employee) for _ in range(2)]
    client.force_login(employee)
    after = rows()
    known = set(Conversation.objects.values_list("pk", flat=True))

    prepare.pairs(2)

    assert {name: rows()[name] - after[name] for name in after} == {name: after[name] - before[name] for name in after}
    made = Conversation.objects.exclude(pk__in=known).first()
    by_verbs.refresh_from_db()
    assert fields(made) == fields(by_verbs)
    assert fields(made.kept_in.registration) == fields(Registration.objects.get(links__conversation=by_verbs))
    assert [(e.seq, e.author, e.kind) for e in entries.after(made.pk, 0, 9)] == [
        (e.seq, e.author, e.kind) for e in entries.after(by_verbs.pk, 0, 9)
    ]


@pytest.mark.django_db
def test_prepared_cookies_open_their_conversations():
    RegionFactory(open=True)

    connections = prepare.pairs(4)

    chatters = [one for one in connections if "chatter" in one.path]
    staff = [one for one in connections if "staff" in one.path]
    assert [len(one.sides) for one in staff] == [3, 1]
    assert len(chatters) == 4
    opened = set()
    for one in chatters:
        first, second = (cookie.partition("=")[2] for cookie in one.cookie.split("; "))
        conversation, _ = Conversation.objects.opened_by(prepare.Halves(first, second), clock.now())
        opened.add(str(conversation.pk))
    for one in staff:
        employee = employee_of_session(one.cookie.partition("=")[2])
        after = json.loads(one.hello)["after"]
        assert {str(held.pk) for held in Conversation.objects.held_by(employee)} == set(after)
        opened -= set(after)
    assert not opened

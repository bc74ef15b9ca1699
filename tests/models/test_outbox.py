"""A registration reaches Clavis once, or somebody sees that it does not (P12)."""

import json
import os
import stat
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import jsonschema
import pytest
from django.core.management import call_command
from django.db import connections
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registration import clavis, outbox
from registration.models import Delivery, Version
from registration.models.delivery import LEASE, DeliveryQuerySet
from tests.factories import MunicipalityFactory
from tests.registering import ADVICE, CONTENT, FILLED_IN, closed, code_lists
from tests.test_house import ROOT

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("clock")]


@pytest.fixture(autouse=True)
def drop(transactional_db, settings, tmp_path):
    code_lists()
    settings.CLAVIS_DIR = tmp_path / "clavis"
    return settings.CLAVIS_DIR


@pytest.fixture
def unwilling(monkeypatch):
    """Clavis takes nothing, until `unwilling.undo()`."""

    def refuses(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(clavis.os, "rename", refuses)
        yield patched


def laid(drop) -> dict[str, bytes]:
    """Every file there, hidden ones too."""
    return {str(path.relative_to(drop)): path.read_bytes() for path in drop.rglob("*") if path.is_file()} if drop.exists() else {}


def due_delivery(monkeypatch) -> Delivery:
    """A closed registration whose delivery nobody has tried yet: the process ended right after the commit."""
    with monkeypatch.context() as patched:
        patched.setattr(outbox, "deliver_due", lambda at: 0)
        closed()
    return Delivery.objects.get()


def test_what_has_not_arrived_after_an_hour_or_is_given_up_is_overdue(monkeypatch, clock):
    delivery = due_delivery(monkeypatch)
    closed_at = clock.now()

    assert not Delivery.objects.overdue(closed_at + timedelta(minutes=59)).exists()
    assert Delivery.objects.overdue(closed_at + timedelta(minutes=60)).exists()
    Delivery.objects.filter(pk=delivery.pk).update(state=Delivery.State.STUCK)
    assert Delivery.objects.overdue(closed_at).exists()
    Delivery.objects.filter(pk=delivery.pk).update(state=Delivery.State.DELIVERED)
    assert not Delivery.objects.overdue(closed_at + timedelta(days=1)).exists()


def test_closing_lays_one_file_under_its_name(drop, clock):
    place = MunicipalityFactory(name="Zaanstad")

    kept = closed(answers=replace(FILLED_IN, municipality=place.cbs_code))

    name = f"{kept.region.code}/{kept.pk}-v1.json"
    assert list(laid(drop)) == [name]
    record = json.loads(laid(drop)[name])
    assert record == {
        "schema": "geruisloos.registratie.v1",
        "registratie": str(kept.pk),
        "versie": 1,
        "regio": kept.region.code,
        "kanaal": "chat",
        "chatgesprek": True,
        "begonnen_op": "2026-11-24T09:00:00Z",
        "geregistreerd_door": kept.holder.name,
        "afgesloten_op": "2026-11-24T09:00:00Z",
        "afgesloten_door": kept.closed_by.name,
        "gemeente": {"naam": "Zaanstad", "cbs_code": place.cbs_code},
        "inhoud": CONTENT,
        "advies": ADVICE,
        "vraagsteller": {"code": "bystander", "omschrijving": "bystander (nl)"},
        "aard": [{"code": "witness", "omschrijving": "witness (nl)"}],
    }


def test_the_delivery_says_when_it_arrived_and_with_what_receipt(drop, clock):
    closed()

    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.delivered_at, delivery.attempts) == (Delivery.State.DELIVERED, clock.now(), 1)
    assert len(delivery.receipt) == 64


def test_the_file_is_flushed_aside_before_it_gets_its_name_and_the_name_after_it(drop, monkeypatch):
    steps = []
    flush, rename = os.fsync, os.rename

    def flushes(descriptor):
        steps.append("file flushed" if stat.S_ISREG(os.fstat(descriptor).st_mode) else "directory flushed")
        flush(descriptor)

    def renames(aside, name):
        steps.append(f"renamed from {aside.name[0]} to {name.suffix}")
        rename(aside, name)

    monkeypatch.setattr(clavis.os, "fsync", flushes)
    monkeypatch.setattr(clavis.os, "rename", renames)
    closed()

    assert steps[-3:] == ["file flushed", "renamed from . to .json", "directory flushed"]


def test_what_crashed_after_the_commit_is_found_again(drop, clock, monkeypatch):
    due_delivery(monkeypatch)
    assert laid(drop) == {}

    assert outbox.deliver_due(clock.now()) == 1

    assert len(laid(drop)) == 1


def test_a_crash_before_the_rename_leaves_nothing_that_looks_like_a_record(drop, clock, monkeypatch):
    due_delivery(monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(clavis.os, "rename", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            outbox.deliver_due(clock.now())
    assert [name.split("/")[1][0] for name in laid(drop)] == ["."]

    assert outbox.deliver_due(clock.now()) == 0, "somebody may still be at it"
    assert outbox.deliver_due(clock.at(clock.now() + LEASE)) == 1

    assert [name.split("/")[1][0] != "." for name in laid(drop)] == [True]


def test_a_crash_after_the_rename_delivers_the_same_file_and_leaves_it_untouched(drop, clock, monkeypatch):
    delivery = due_delivery(monkeypatch)
    with monkeypatch.context() as patched:
        patched.setattr(Delivery, "arrived", lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            outbox.deliver_due(clock.now())
    (path,) = drop.rglob("*.json")
    before = path.stat()

    outbox.deliver_due(clock.at(clock.now() + LEASE))

    delivery.refresh_from_db()
    assert delivery.state == Delivery.State.DELIVERED
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_another_file_under_the_same_name_is_never_overwritten(drop, clock, monkeypatch):
    delivery = due_delivery(monkeypatch)
    there = drop / delivery.version.registration.region.code / f"{delivery.version.name}.json"
    there.parent.mkdir(parents=True)
    there.write_text("{}")

    outbox.deliver_due(clock.now())

    delivery.refresh_from_db()
    assert (delivery.state, there.read_text()) == (Delivery.State.STUCK, "{}")
    assert delivery.last_error


def test_what_fails_is_tried_again_later_and_for_ever(drop, clock, unwilling):
    closed()

    for attempts in range(1, 40):
        delivery = Delivery.objects.get()
        assert (delivery.state, delivery.attempts, delivery.last_error) == (Delivery.State.DUE, attempts, "ENOSPC")
        assert clock.now() < delivery.next_attempt_at <= clock.now() + timedelta(minutes=15)
        outbox.deliver_due(clock.at(delivery.next_attempt_at))


def test_it_is_not_tried_before_its_time(drop, clock, unwilling):
    closed()
    unwilling.undo()

    assert outbox.deliver_due(clock.forward(seconds=1)) == 0
    assert outbox.deliver_due(clock.forward(seconds=10)) == 1


def test_the_command_delivers_also_what_waits_for_a_later_attempt(drop, clock, unwilling, capsys):
    closed()
    unwilling.undo()

    call_command("export_clavis")

    assert capsys.readouterr().out == "delivered 1, still due 0, stuck 0\n"
    assert len(laid(drop)) == 1


def test_versions_of_one_registration_go_in_order(drop, clock, unwilling, monkeypatch):
    kept = closed()
    second = Version.objects.create(
        registration=kept, number=2, closed_at=clock.now(), closed_by=kept.closed_by, record=kept.versions.get().record
    )
    Delivery.objects.create(version=second, due_at=clock.now(), next_attempt_at=clock.now())

    assert Delivery.objects.claim(clock.now()) is None
    Delivery.objects.filter(version__number=1).update(state=Delivery.State.STUCK)
    assert Delivery.objects.claim(clock.now()).version == second


def test_of_several_workers_who_found_the_same_delivery_one_gets_it(drop, clock, monkeypatch):
    due_delivery(monkeypatch)
    all_have_found_it, got = threading.Barrier(4), []
    update = DeliveryQuerySet.update

    def takes(self, **what):
        all_have_found_it.wait(20)
        return update(self, **what)

    def worker():
        try:
            got.append(Delivery.objects.claim(clock.now()))
        finally:
            connections.close_all()

    monkeypatch.setattr(DeliveryQuerySet, "update", takes)
    workers = [threading.Thread(target=worker) for _ in range(4)]
    for one in workers:
        one.start()
    for one in workers:
        one.join(30)

    assert len(got) == 4
    assert len([one for one in got if one]) == 1


def test_who_lost_the_lease_says_nothing_any_more(drop, clock, monkeypatch):
    due_delivery(monkeypatch)
    slow = Delivery.objects.claim(clock.now())
    later = clock.at(clock.now() + LEASE)
    Delivery.objects.claim(later)

    slow.failed("EIO", at=later, spread=0)

    assert Delivery.objects.get().state == Delivery.State.TRYING


FAULTS = ["fails", "crashes before the rename", "crashes after the rename", "works"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(faults=st.lists(st.sampled_from(FAULTS), max_size=6))
def test_whatever_goes_wrong_each_version_arrives_once(drop, clock, faults):
    before = laid(drop)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(outbox, "deliver_due", lambda at: 0)
        kept = closed()
    for fault in [*faults, "works"]:
        with pytest.MonkeyPatch.context() as patched:
            if fault == "fails":
                patched.setattr(clavis.os, "rename", lambda *args: (_ for _ in ()).throw(OSError(5, "")))
            if fault == "crashes before the rename":
                patched.setattr(clavis.os, "rename", lambda *args: (_ for _ in ()).throw(KeyboardInterrupt))
            if fault == "crashes after the rename":
                patched.setattr(Delivery, "arrived", lambda *args, **kwargs: (_ for _ in ()).throw(KeyboardInterrupt))
            with suppress(KeyboardInterrupt):
                outbox.deliver_due(clock.forward(minutes=20))

    after = laid(drop)
    assert Delivery.objects.get(version__registration=kept).state == Delivery.State.DELIVERED
    assert after.keys() - before.keys() == {f"{kept.region.code}/{kept.pk}-v1.json"}
    assert {name: after[name] for name in before} == before


# ---------------------------------------------------------------- the description


def test_the_example_of_the_documents_is_as_the_schema_says():
    schema = json.loads((ROOT / "docs" / "clavis" / "registratie-v1.schema.json").read_text())

    jsonschema.Draft202012Validator.check_schema(schema)
    clavis.check(json.loads((ROOT / "docs" / "clavis" / "example.json").read_text()))


@pytest.mark.parametrize(
    "change",
    [{"inhoud": ""}, {"inhoud": "x" * 1001}, {"kanaal": "telefoon"}, {"chatgesprek": False}, {"afgesloten_op": "gisteren"}, {"extra": 1}],
    ids=lambda change: next(iter(change)),
)
def test_a_record_that_is_not_as_the_schema_says_is_never_written(change):
    record = json.loads((ROOT / "docs" / "clavis" / "example.json").read_text())

    with pytest.raises(clavis.Invalid) as invalid:
        clavis.check(record | change)
    assert "x" * 10 not in str(invalid.value)


def test_the_seeded_lists_fit_the_record():
    """One list that allows one code, and one that allows several, as the record has them."""
    lists = {one["key"]: one for one in json.loads((ROOT / "registration" / "data" / "code_lists.json").read_text())["lists"]}

    assert [lists[key]["multiple"] for key in clavis.ONE] == [False]
    assert [lists[key]["multiple"] for key in clavis.SEVERAL] == [True]

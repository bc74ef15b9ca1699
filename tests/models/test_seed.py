"""What `seed` and `demo` put into the database, how often they run, and what an administrator has changed since."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from registration.models import Code, CodeList
from staffing import opening
from staffing.models import Employee, Municipality, OpeningHours, PlaceName, Region, Role, Seeded
from staffing.rules import AMSTERDAM, AROUND_THE_CLOCK, WORKING_DAYS, Hours

pytestmark = pytest.mark.django_db

ZW, AA = "zaanstreek-waterland", "amsterdam-amstelland"
CHRISTMAS_NIGHT = datetime(2026, 12, 25, 3, 0, tzinfo=AMSTERDAM)
REFERENCE_DATA = [Region, OpeningHours, Municipality, PlaceName, CodeList, Code, Seeded]


class DataFiles:
    """A release's data files: three regions, two municipalities, one place, one list of two codes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("staffing/data", "registration/data"):
            (root / folder).mkdir(parents=True)
        self.codes = [self.code("one"), self.code("two")]
        self.regions = [
            "# a note",
            "code,name,website,phone,source",
            *(f"{code},Region {code},,0800-2000,here" for code in (ZW, AA, "twente")),
        ]
        self.municipalities = [
            "name,cbs_code,region,certainty,valid_from,valid_until",
            f"Zaanstad,GM0479,{ZW},sure,,",
            f"Amsterdam,GM0363,{AA},likely,,",
        ]
        self.place_names = ["name,municipality", "Krommenie,Zaanstad"]
        self.write()

    @staticmethod
    def code(key: str) -> dict[str, Any]:
        return {"code": key, "label_nl": f"{key} nl", "label_en": f"{key} en", "source": "design", "cbs_code_2015": "01"}

    def write(self) -> None:
        for name in ("regions", "municipalities", "place_names"):
            (self.root / f"staffing/data/{name}.csv").write_text("\n".join([*getattr(self, name), ""]))
        one = {"key": "reason", "label_nl": "Aanleiding", "label_en": "Reason", "official": True, "multiple": True}
        lists = [one | {"required_to_close": "serious", "note": "", "codes": self.codes}]
        document = {"sources": {"design": "this product"}, "lists": lists}
        (self.root / "registration/data/code_lists.json").write_text(json.dumps(document, indent=1))


@pytest.fixture
def files(tmp_path: Path, settings) -> DataFiles:
    settings.BASE_DIR = tmp_path
    return DataFiles(tmp_path)


@pytest.fixture
def demonstration(files: DataFiles, settings) -> Callable[..., str]:
    """`demonstration(DEMO_AT=…)`: what `demo` prints on seeded data."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.DEMO = True
    seed()

    def demo(**changed: Any) -> str:
        for name, value in changed.items():
            setattr(settings, name, value)
        return run("demo")

    return demo


def run(command: str) -> str:
    output = StringIO()
    call_command(command, stdout=output)
    return output.getvalue()


def seed() -> str:
    return run("seed")


def everything() -> dict[str, list[Any]]:
    return {model.__name__: list(model._default_manager.order_by("pk").values()) for model in [*REFERENCE_DATA, Employee]}


def hours_of(code: str) -> set[Hours]:
    return {row.as_hours() for row in OpeningHours.objects.filter(region__code=code)}


# ---------------------------------------------------------------- the product's own data


def test_seeding_makes_the_regions_their_municipalities_the_lists_and_the_ordinary_hours():
    seed()

    assert Region.objects.count() == 26
    assert Municipality.objects.count() == 342
    assert {region.code for region in Region.objects.all() if hours_of(region.code) == set(WORKING_DAYS)} == {
        region.code for region in Region.objects.all()
    }
    assert Municipality.objects.get(cbs_code="GM0797").region.code == "midden-brabant"
    assert Municipality.objects.get(name="Wijdemeren").valid_until is None  # that it joins Hilversum is not yet law
    official = CodeList.objects.filter(official=True)
    assert {(one.key, one.multiple, one.required_to_close, one.codes.count()) for one in official} == {
        ("reason", True, "serious", 10),
        ("nature", True, "serious", 12),
        ("enquirer_capacity", False, "serious", 22),
    }
    assert list(Code.objects.filter(list__key="end_kind").values_list("position", flat=True)) == list(range(1, 8))


def test_people_find_their_municipality_by_its_name_by_other_spellings_and_by_places_in_it():
    seed()

    assert [one.name for one in Municipality.objects.all() if Municipality.objects.called(one.name) != one] == []
    for said, meant in {
        "den haag": "'s-Gravenhage",
        "Den Bosch": "'s-Hertogenbosch",
        "s hertogenbosch": "'s-Hertogenbosch",
        "Sudwest Fryslan": "Súdwest-Fryslân",
        "Snits": "Súdwest-Fryslân",
        "De Friese Meren": "De Fryske Marren",
        "ZAANDAM": "Zaanstad",
        "Krommenie": "Zaanstad",
        "Volendam": "Edam-Volendam",
        "Beemster": "Purmerend",
        "amsterdam zuid-oost": "Amsterdam",
        "Weesp": "Amsterdam",
        "Bussum": "Gooise Meren",
        "Alphen a/d Rijn": "Alphen aan den Rijn",
        "Hengelo (O)": "Hengelo",
        "Hengelo (Gld)": "Bronckhorst",
        "IJmuiden": "Velsen",
    }.items():
        assert str(Municipality.objects.called(said)) == meant, said


def test_a_name_that_stands_for_places_in_several_municipalities_decides_nothing():
    seed()

    for name in ("Velp", "Bergen", "Valkenburg", "Oosterwolde", "Nes", ""):
        assert Municipality.objects.called(name) is None


# ---------------------------------------------------------------- again and again


def test_seeding_twice_changes_nothing(files: DataFiles):
    first = seed()
    before = everything()

    assert seed() == "seed: nothing new\n"
    assert everything() == before
    assert first == "seed: 3 regions, 15 opening hours, 2 municipalities, 3 place names, 1 code list, 2 codes\n"


def test_a_second_seeding_costs_a_handful_of_queries(django_assert_max_num_queries):
    seed()

    with django_assert_max_num_queries(10):
        seed()


@pytest.mark.django_db(transaction=True)
def test_two_seedings_at_once_make_everything_once(files: DataFiles):
    def seeding(_: int) -> str:
        try:
            return seed()
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(seeding, range(2)))

    assert said[1] == "seed: nothing new\n"
    assert Region.objects.count() == 3
    assert OpeningHours.objects.count() == 15


def test_what_an_administrator_changed_stays_changed(files: DataFiles):
    seed()
    region = Region.objects.get(code=ZW)
    Region.objects.filter(code=ZW).update(name="Another name", phone="075-0000000")
    Municipality.objects.filter(name="Zaanstad").update(region=Region.objects.get(code=AA), valid_until="2027-12-31")
    OpeningHours.objects.filter(region=region, weekday=0).update(closes=time(22))
    OpeningHours.objects.filter(region=region, weekday=4).delete()
    PlaceName.objects.filter(name="Krommenie").update(municipality=Municipality.objects.get(name="Amsterdam"))
    CodeList.objects.update(label_nl="Waarom", required_to_close="")
    Code.objects.filter(code="one").update(label_nl="Een", position=9, valid_until="2026-12-31")
    before = everything()

    seed()

    assert everything() == before


def test_what_an_administrator_removed_stays_away(files: DataFiles):
    seed()
    OpeningHours.objects.filter(region__code="twente").delete()
    PlaceName.objects.filter(name="Krommenie").delete()
    Municipality.objects.filter(name="Amsterdam").delete()
    Region.objects.filter(code="twente").delete()
    Code.objects.filter(code="two").delete()
    before = everything()

    assert seed() == "seed: nothing new\n"
    assert everything() == before


def test_what_an_administrator_added_stays_and_is_not_made_twice(files: DataFiles):
    seed()
    own = Region.objects.create(code="fryslan", name="Own")
    OpeningHours.objects.create(region=own, weekday=6, opens=time(12), closes=time(13))
    PlaceName.objects.create(name="Zaandam", municipality=Municipality.objects.get(name="Amsterdam"))
    Code.objects.create(list=CodeList.objects.get(), code="three", label_nl="Eigen", label_en="Own")
    files.regions.append("fryslan,From the file,,0800-2000,here")
    files.place_names.append("Zaandam,Zaanstad")
    files.codes.append(files.code("three"))
    files.write()

    assert seed() == "seed: nothing new\n"
    assert Region.objects.get(code="fryslan").name == "Own"
    assert hours_of("fryslan") == {Hours(6, time(12), time(13))}
    assert PlaceName.objects.get(name="Zaandam").municipality.name == "Amsterdam"
    assert Code.objects.get(code="three").label_nl == "Eigen"


def test_what_a_later_release_adds_is_made_and_nothing_else(files: DataFiles):
    seed()
    Region.objects.filter(code=ZW).update(name="Another name")
    files.regions.append("drenthe,Drenthe,,0800-2000,here")
    files.municipalities.append("Assen,GM0106,drenthe,sure,2027-01-01,")
    files.place_names.append("Peelo,Assen")
    files.codes.append(files.code("three"))
    files.write()

    assert seed() == "seed: 1 region, 5 opening hours, 1 municipality, 2 place names, 1 code\n"
    assert hours_of("drenthe") == set(WORKING_DAYS)
    assert Municipality.objects.called("Peelo").valid_from.isoformat() == "2027-01-01"
    assert Region.objects.get(code=ZW).name == "Another name"


def test_what_belongs_to_something_removed_is_left_out_and_named_until_that_is_back(files: DataFiles):
    seed()
    Region.objects.filter(code="twente").delete()
    files.municipalities.append("Almelo,GM0141,twente,sure,,")
    files.write()

    assert "left out, since what they belong to is no longer here: municipality GM0141, place name almelo" in seed()

    Region.objects.create(code="twente", name="Back again")

    assert seed() == "seed: 1 municipality, 1 place name\n"
    assert hours_of("twente") == set()


# ---------------------------------------------------------------- broken data files


@pytest.mark.parametrize(
    ("file", "wrong", "says"),
    [
        ("regions", "drenthe,Drenthe,,0800-2000", "staffing/data/regions.csv, line 6: 4 values in 5 columns"),
        ("regions", ",Drenthe,,0800-2000,here", "staffing/data/regions.csv, line 6: code is empty"),
        ("regions", f"{ZW},Again,,,", f"staffing/data/regions.csv, line 6: '{ZW}' stands already at staffing/data/regions.csv, line 3"),
        ("regions", 'drenthe,"Drenthe,,,', "staffing/data/regions.csv, line 6: unexpected end of data"),
        ("regions", "not a slug,Drenthe,,,", "staffing/data/regions.csv, line 6: code: Enter a valid “slug”"),
        ("municipalities", "Assen,GM0106,drente,sure,,", "staffing/data/municipalities.csv, line 4: there is no region 'drente'"),
        (
            "municipalities",
            f"Assen,GM0106,{ZW},sure,soon,",
            "staffing/data/municipalities.csv, line 4: valid_from: “soon” value has an invalid",
        ),
        ("municipalities", f"Zaanstad,GM9999,{ZW},sure,,", "staffing/data/municipalities.csv, line 4: 'Zaanstad' stands already at"),
        ("place_names", "Peelo,Asen", "staffing/data/place_names.csv, line 3: there is no municipality 'Asen'"),
        ("place_names", "KROMMENIE,Amsterdam", "staffing/data/place_names.csv, line 3: 'krommenie' stands already at"),
        ("place_names", f"{'Peelo' * 21},Zaanstad", "staffing/data/place_names.csv, line 3: name: Ensure this value has at most 100"),
    ],
)
def test_a_broken_line_is_refused_with_its_file_and_number_and_nothing_is_seeded(files: DataFiles, file: str, wrong: str, says: str):
    getattr(files, file).append(wrong)
    files.write()

    with pytest.raises(CommandError) as refusal:
        seed()

    assert str(refusal.value).startswith(says)
    assert not Region.objects.exists()
    assert not Seeded.objects.exists()


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        (
            "staffing/data/regions.csv",
            "slug,name\n",
            "staffing/data/regions.csv, line 1: the columns must be code,name,website,phone,source",
        ),
        ("registration/data/code_lists.json", '{\n"lists": [\n', "registration/data/code_lists.json, line 3: Expecting value"),
        ("registration/data/code_lists.json", '{"lists": []}', "registration/data/code_lists.json: sources is missing"),
        ("registration/data/code_lists.json", None, "registration/data/code_lists.json: [Errno 2]"),
    ],
)
def test_a_broken_file_is_refused_by_name(files: DataFiles, file: str, text: str | None, says: str):
    path = files.root / file
    path.unlink() if text is None else path.write_text(text)

    with pytest.raises(CommandError) as refusal:
        seed()

    assert str(refusal.value).startswith(says)


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ({"code": "three", "label_nl": "Drie"}, "label_en, source is missing"),
        ({"code": "three", "label_nl": "Drie", "label_en": "Three", "source": "hearsay"}, "there is no source 'hearsay'"),
        ({"code": "three", "label_nl": "", "label_en": "Three", "source": "design"}, "label_nl: This field cannot be blank."),
        ({"code": "three", "label_nl": "Drie", "label_en": "Three", "source": "design", "colour": "red"}, "unknown: colour"),
        ({"code": "one", "label_nl": "Een", "label_en": "One", "source": "design"}, "'reason/one' stands already at"),
    ],
)
def test_a_broken_code_is_refused_with_its_list(files: DataFiles, code: dict[str, str], says: str):
    files.codes.append(code)
    files.write()

    with pytest.raises(CommandError) as refusal:
        seed()

    assert str(refusal.value).startswith(f"registration/data/code_lists.json, list reason, code {code['code']}: {says}")


# ---------------------------------------------------------------- the demonstration


def test_the_demonstration_is_refused_where_it_is_off(files: DataFiles, settings):
    settings.DEMO = False
    seed()

    with pytest.raises(CommandError, match="DEMO"):
        run("demo")

    assert not Employee.objects.exists()


def test_the_demonstration_says_that_seeding_comes_first(files: DataFiles, settings):
    settings.DEMO = True

    with pytest.raises(CommandError, match=r"manage\.py seed"):
        run("demo")


def test_the_demonstration_has_the_accounts_of_the_interface(demonstration):
    demonstration(DEMO_PASSWORD="a word for everybody")

    assert set(Employee.objects.values_list("username", "role", "region__code", "is_staff", "is_superuser", "maximum")) == {
        ("fo-zw-1", Role.FRONT_OFFICE, ZW, False, False, 3),
        ("fo-zw-2", Role.FRONT_OFFICE, ZW, False, False, 3),
        ("fo-aa-1", Role.FRONT_OFFICE, AA, False, False, 3),
        ("coordinator-zw", Role.COORDINATOR, ZW, True, False, 3),
        ("coordinator-aa", Role.COORDINATOR, AA, True, False, 3),
        ("manager-zw", Role.MANAGER, ZW, True, False, 3),
        ("admin", Role.ADMINISTRATOR, None, True, True, 3),
    }
    assert all(employee.name and employee.check_password("a word for everybody") for employee in Employee.objects.all())


def test_the_demonstration_is_open_day_and_night_in_every_region_closed_days_included(demonstration):
    demonstration()

    assert all(hours_of(region.code) == set(AROUND_THE_CLOCK) for region in Region.objects.all())
    assert all(opening.opening(CHRISTMAS_NIGHT, region).open for region in Region.objects.all())


def test_the_demonstration_twice_changes_nothing(demonstration):
    first = demonstration()
    before = everything()

    assert demonstration() == first
    assert everything() == before


def test_what_somebody_changed_in_the_demonstration_stays_but_for_the_password(demonstration):
    demonstration()
    employee = Employee.objects.get(username="fo-zw-1")
    employee.name, employee.maximum = "Iemand", 1
    employee.set_password("another")
    employee.save()

    demonstration()

    employee.refresh_from_db()
    assert (employee.name, employee.maximum) == ("Iemand", 1)
    assert employee.check_password("geruisloos")


def test_another_password_counts_for_every_account(demonstration):
    demonstration()
    demonstration(DEMO_PASSWORD="a word for everybody")

    assert all(employee.check_password("a word for everybody") for employee in Employee.objects.all())


def test_the_demonstration_at_a_moment_has_ordinary_hours_and_back_again(demonstration):
    demonstration(DEMO_AT=CHRISTMAS_NIGHT)
    assert all(hours_of(region.code) == set(WORKING_DAYS) for region in Region.objects.all())

    demonstration(DEMO_AT=None)
    assert all(hours_of(region.code) == set(AROUND_THE_CLOCK) for region in Region.objects.all())

    demonstration(DEMO_AT=CHRISTMAS_NIGHT)
    assert all(hours_of(region.code) == set(WORKING_DAYS) for region in Region.objects.all())


def test_hours_that_somebody_changed_in_the_demonstration_stay_also_at_another_moment(demonstration):
    demonstration()
    OpeningHours.objects.filter(region__code=ZW, weekday=0).update(opens=time(12))
    OpeningHours.objects.filter(region__code=AA).delete()
    changed = hours_of(ZW)

    for moment in (None, CHRISTMAS_NIGHT, None):
        demonstration(DEMO_AT=moment)

        assert hours_of(ZW) == changed
        assert hours_of(AA) == set()
        assert hours_of("twente") == set(WORKING_DAYS if moment else AROUND_THE_CLOCK)


def test_ordinary_hours_that_somebody_set_by_hand_stay_in_the_demonstration_around_the_clock(demonstration):
    demonstration()
    region = Region.objects.get(code=ZW)
    region.opening_hours.all().delete()
    OpeningHours.objects.bulk_create(OpeningHours(region=region, weekday=h.weekday, opens=h.opens, closes=h.closes) for h in WORKING_DAYS)

    demonstration()

    assert hours_of(ZW) == set(WORKING_DAYS)


def test_a_region_that_somebody_added_is_open_in_the_demonstration_too(demonstration):
    Region.objects.create(code="drenthe", name="Drenthe")

    demonstration()

    assert hours_of("drenthe") == set(AROUND_THE_CLOCK)


def test_the_demonstration_tells_a_newcomer_addresses_accounts_and_password(demonstration):
    printed = demonstration(HOST="127.0.0.1", PORT=8123, DEMO_PASSWORD="a word for everybody").splitlines()

    assert len(printed) == 4
    assert "http://127.0.0.1:8123/" in printed[0].split()
    assert "http://127.0.0.1:8123/staff/" in printed[1]
    assert "http://127.0.0.1:8123/admin/" in printed[2]
    assert printed[3].endswith("a word for everybody")
    assert all(employee.username in "".join(printed[1:3]) for employee in Employee.objects.all())

from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import check_password, make_password
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from staffing.models import Employee, OpeningHours, Region, Role, Seeded
from staffing.rules import AROUND_THE_CLOCK, WORKING_DAYS

ZW, AA = "zaanstreek-waterland", "amsterdam-amstelland"
# Account, work name, role, region. A chatter reads the work name.
ACCOUNTS = [
    ("fo-zw-1", "Medewerker 1 (ZW)", Role.FRONT_OFFICE, ZW),
    ("fo-zw-2", "Medewerker 2 (ZW)", Role.FRONT_OFFICE, ZW),
    ("fo-aa-1", "Medewerker 1 (AA)", Role.FRONT_OFFICE, AA),
    ("coordinator-zw", "Coördinator (ZW)", Role.COORDINATOR, ZW),
    ("coordinator-aa", "Coördinator (AA)", Role.COORDINATOR, AA),
    ("manager-zw", "Teammanager (ZW)", Role.MANAGER, ZW),
    ("admin", "Landelijk beheerder", Role.ADMINISTRATOR, None),
]
HOURS = {"around the clock": AROUND_THE_CLOCK, "09:00-17:00": WORKING_DAYS}


class Command(BaseCommand):
    help = "The demonstration on top of `seed`: accounts with one password, and a line that is open."

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("DEMO: is off, and the demonstration with its known password belongs nowhere else.")
        with transaction.atomic():
            self.make_accounts()
            self.set_hours("09:00-17:00" if settings.DEMO_AT else "around the clock")
        self.tell()

    def make_accounts(self) -> None:
        names = [username for username, *_ in ACCOUNTS]
        found = Employee.objects.in_bulk(names, field_name="username")
        regions = Region.objects.in_bulk([ZW, AA], field_name="code")
        # Hashing is slow on purpose, so all accounts share one hash: one comparison tells that nothing has changed.
        right = {hashed for hashed in {employee.password for employee in found.values()} if check_password(settings.DEMO_PASSWORD, hashed)}
        password = min(right, default="") or make_password(settings.DEMO_PASSWORD)
        for username, name, role, code in ACCOUNTS:
            if employee := found.get(username):
                if employee.password not in right:
                    employee.password = password
                    employee.save(update_fields=["password"])
                continue
            if code and code not in regions:
                raise CommandError(f"There is no region '{code}': run `manage.py seed` first.")
            Employee.objects.create(
                username=username,
                name=name,
                role=role,
                region=regions[code] if code else None,
                maximum=3,
                password=password,
                is_staff=role != Role.FRONT_OFFICE,
                is_superuser=role == Role.ADMINISTRATOR,
            )

    def set_hours(self, wanted: str) -> None:
        """Give every region these hours, unless somebody has changed what `seed` or `demo` put there."""
        marks = set(Seeded.objects.filter(key__startswith="demo hours/").values_list("key", flat=True))
        for region in Region.objects.prefetch_related("opening_hours"):
            mark = {name: f"demo hours/{region.pk}/{name}" for name in HOURS}
            if mark[wanted] in marks:
                continue
            last = next((name for name in HOURS if mark[name] in marks), None)
            its_hours = {row.as_hours() for row in region.opening_hours.all()}
            if its_hours != set(HOURS[last or "09:00-17:00"]) and (last or its_hours):
                continue
            region.opening_hours.all().delete()
            OpeningHours.objects.bulk_create(
                OpeningHours(region=region, weekday=h.weekday, opens=h.opens, closes=h.closes, on_closed_days=h.on_closed_days)
                for h in HOURS[wanted]
            )
            Seeded.objects.filter(key__in=mark.values()).delete()
            Seeded.objects.create(key=mark[wanted])

    def tell(self) -> None:
        host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
        address = f"http://{host}:{settings.PORT}"
        by_role = {role: [username for username, _, its_role, _ in ACCOUNTS if its_role == role] for role in Role}
        answering = by_role[Role.FRONT_OFFICE] + by_role[Role.COORDINATOR]
        overseeing = by_role[Role.COORDINATOR] + by_role[Role.MANAGER] + by_role[Role.ADMINISTRATOR]
        self.stdout.write(
            f"  The chat      {address}/\n"
            f"  Front Office  {address}/staff/   {', '.join(answering)}\n"
            f"  Oversight     {address}/admin/   {', '.join(overseeing)}\n"
            f"  Password      {settings.DEMO_PASSWORD}"
        )

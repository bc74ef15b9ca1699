from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_datetime

from staffing import clock
from staffing.models import Closure, Region
from staffing.rules import AMSTERDAM


class Command(BaseCommand):
    help = "No new conversations from now on; running and waiting ones go on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--reason", required=True, help="why, for who reads it later")
        parser.add_argument("--region", help="code of one region; without it the whole line")
        parser.add_argument("--until", help="ISO moment at which it opens again by itself (without zone: Europe/Amsterdam)")

    def handle(self, *args: Any, **options: Any) -> None:
        at, until = clock.now(), None
        if options["until"]:
            try:
                until = parse_datetime(options["until"])
            except ValueError as error:
                raise CommandError(f"--until: {error}") from error
            if until is None:
                raise CommandError("--until: must be an ISO moment, for example 2026-11-24T16:55")
            until = until if until.tzinfo else until.replace(tzinfo=AMSTERDAM)
            if until <= at:
                raise CommandError("--until: must lie in the future")
        if not options["reason"].strip():
            raise CommandError("--reason: must say why")
        closure = Closure.objects.create(region=_region(options["region"]), reason=options["reason"][:400], starts_at=at, until_at=until)
        self.stdout.write(f"closed: {closure.region or 'all regions'}" + (f", until {until.isoformat()}" if until else ""))


def _region(code: str | None) -> Region | None:
    if not code:
        return None
    if region := Region.objects.filter(code=code).first():
        return region
    raise CommandError(f"--region: there is no region '{code}'")

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from staffing import clock
from staffing.models import Closure, Region


class Command(BaseCommand):
    help = "Lift what `close` decided: opening hours count again."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--region", help="code of one region; without it the closures of the whole line")

    def handle(self, *args: Any, **options: Any) -> None:
        region = None
        if options["region"] and not (region := Region.objects.filter(code=options["region"]).first()):
            raise CommandError(f"--region: there is no region '{options['region']}'")
        at = clock.now()
        lifted = Closure.objects.standing(at).filter(region=region).update(lifted_at=at)
        self.stdout.write(f"opened: {region or 'the whole line'} ({lifted} closure{'' if lifted == 1 else 's'} lifted)")

import asyncio
import signal
from typing import Any

from django.core.management.base import BaseCommand

from chat import hints
from config import watch


class Command(BaseCommand):
    help = "The watch alone, beside the servers or without them, until SIGTERM or Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        asyncio.run(self.until_told())

    async def until_told(self) -> None:
        told = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        board = hints.open_switchboard()  # so that other processes hear at once what it brings about
        watching = watch.begin()
        self.stdout.write("watching")
        self.stdout.flush()
        await told.wait()
        await watch.end(watching)
        board.close()

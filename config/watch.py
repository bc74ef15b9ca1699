"""What has to happen although nobody asks: one loop in each server process that calls one function per app."""

import asyncio
import logging
from datetime import timedelta

from chat import pool
from registration import outbox
from staffing import clock
from staffing.refusal import Refused

logger = logging.getLogger("geruisloos.watch")
EVERY = timedelta(minutes=1)


async def watch() -> None:
    """Deliver what is due to Clavis; each delivery is claimed, so several processes may watch."""
    while True:
        at = clock.now()
        try:
            await pool.run(outbox.deliver_due, at)
        except Refused:
            pass  # the database does not answer; it is asked again
        except Exception:
            logger.exception("a watch was not finished")
        await clock.sleep_until(at + EVERY)


def begin() -> asyncio.Task[None]:
    """Watch until the task is cancelled."""
    return asyncio.get_running_loop().create_task(watch())

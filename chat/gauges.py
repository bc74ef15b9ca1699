"""
What an operator can see of every bound and every promise, without a word of anybody.

Counters are of this process; what the database knows is of the whole line.
"""

from prometheus_client import CollectorRegistry, Counter, Gauge

REGISTRY = CollectorRegistry(auto_describe=True)

TOO_FAST = Counter("geruisloos_frames_too_fast", "frames refused because they came too fast", registry=REGISTRY)
CUT = Counter("geruisloos_lines_cut", "lines cut because they were not read, or for too many pings and pieces", registry=REGISTRY)
REQUESTS_CUT = Counter("geruisloos_requests_cut", "requests not read to their end: too slow, or too much", ["reason"], registry=REGISTRY)
STARTS_REFUSED = Counter("geruisloos_starts_refused", "conversations not begun", ["reason"], registry=REGISTRY)
HINTS_LOST = Counter("geruisloos_hints_not_published", "hints that other processes did not get", registry=REGISTRY)
UNAVAILABLE = Counter("geruisloos_unavailable", "answers 'unavailable': database away, or too much waits", ["where"], registry=REGISTRY)
STORED = Counter("geruisloos_entries_stored", "entries stored by the writer", registry=REGISTRY)
BATCHES = Counter("geruisloos_batches", "commits of the writer", registry=REGISTRY)
WRITER_WAITING = Gauge("geruisloos_writer_waiting", "appends that wait for the writer", registry=REGISTRY)
POOL_WAITING = Gauge("geruisloos_pool_waiting", "jobs that wait for a database thread", registry=REGISTRY)
ARRIVING = Gauge("geruisloos_lines_arriving", "lines that are let in, or wait for it", registry=REGISTRY)
LINES = Gauge("geruisloos_lines", "open lines of this process", registry=REGISTRY)
OUTGOING = Gauge("geruisloos_outgoing_bytes_most", "what waits for the slowest reader, in characters", registry=REGISTRY)

DATABASE = Gauge("geruisloos_database_answers", "1, or 0: then what follows is as it was", registry=REGISTRY)
PROMISE_BROKEN = Gauge(
    "geruisloos_promise_broken", "how often selfcheck found it broken, zero when it is kept", ["promise"], registry=REGISTRY
)
WATCH_AGE = Gauge("geruisloos_watch_age_seconds", "since everything was looked at", registry=REGISTRY)
SELFCHECK_AGE = Gauge("geruisloos_selfcheck_age_seconds", "since the promises were evaluated", registry=REGISTRY)
WAITING_OLDEST = Gauge("geruisloos_waiting_oldest_seconds", "how long the chat waits that waits longest", registry=REGISTRY)
WAITING_UNSEEN = Gauge("geruisloos_waiting_offered_to_nobody", "chats to be taken that nobody available is offered", registry=REGISTRY)
ACTIVE_UNHEARD = Gauge("geruisloos_active_without_heard_holder", "running conversations whose employee is silent", registry=REGISTRY)
OUTBOX_OLDEST = Gauge("geruisloos_outbox_oldest_seconds", "how long the oldest version is on its way to Clavis", registry=REGISTRY)
OUTBOX_STUCK = Gauge("geruisloos_outbox_stuck", "versions that are stuck on their way to Clavis", registry=REGISTRY)
UNREGISTERED_OLDEST = Gauge("geruisloos_unregistered_oldest_seconds", "since the oldest draft of an ended chat was made", registry=REGISTRY)
ALARMS_STANDING = Gauge("geruisloos_alarms_standing", "alarms that are not over", registry=REGISTRY)
ALARMS_UNTOLD_OLDEST = Gauge(
    "geruisloos_alarms_untold_oldest_seconds", "how long the oldest alarm waits for mail or hook", registry=REGISTRY
)

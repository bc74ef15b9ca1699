"""What an operator can see of every bound and every promise, without a word of anybody. Counters are of this process."""

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

"""People and time: regions and when their line is open, employees, who should be there and who is, and what asks for care."""

from staffing.models.alarms import Alarm, Found, Watch
from staffing.models.counts import Count
from staffing.models.duty import Absence, Duty, Shift, Silence, planned, planned_everywhere, were_on_duty
from staffing.models.hours import WEEKDAYS, ClosedDay, Closure, OpeningHours
from staffing.models.looks import Look
from staffing.models.people import Employee, Role
from staffing.models.regions import LocalFact, Municipality, PlaceName, Region, RegionManager, name_key
from staffing.models.seeded import Seeded

__all__ = [
    "WEEKDAYS",
    "Absence",
    "Alarm",
    "ClosedDay",
    "Closure",
    "Count",
    "Duty",
    "Employee",
    "Found",
    "LocalFact",
    "Look",
    "Municipality",
    "OpeningHours",
    "PlaceName",
    "Region",
    "RegionManager",
    "Role",
    "Seeded",
    "Shift",
    "Silence",
    "Watch",
    "name_key",
    "planned",
    "planned_everywhere",
    "were_on_duty",
]

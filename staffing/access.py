"""Who may see what: sessions that still stand."""

from collections.abc import Collection

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.utils.crypto import constant_time_compare

from staffing.models import Employee


def employee_of_session(key: str) -> Employee | None:
    """The employee whose session this is, as account, password and role stand now (threat-model S3); None when it has ended."""
    session = SessionStore(session_key=key)
    pk = session.get(SESSION_KEY)
    if pk is None or BACKEND_SESSION_KEY not in session:
        return None
    employee = Employee.objects.filter(pk=pk, is_active=True).first()
    if employee and constant_time_compare(session.get(HASH_SESSION_KEY, ""), employee.get_session_auth_hash()):
        return employee
    return None


def standing_sessions(keys: Collection[str]) -> dict[str, int]:
    """For each of these sessions that stands, whose it is. Who may not answer chats any more has no staff line."""
    found = {key: employee_of_session(key) for key in keys}
    return {key: employee.pk for key, employee in found.items() if employee and employee.answers_chats}

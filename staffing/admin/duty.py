"""Oversight of who was on duty."""

from django.contrib import admin

from staffing.access import ReadOnlyAdmin
from staffing.models import Duty


@admin.register(Duty)
class DutyAdmin(ReadOnlyAdmin):
    recorded = True
    region_lookup = "employee__region"
    list_display = ["employee", "started_at", "ended_at", "heard_at"]
    list_filter = [("ended_at", admin.EmptyFieldListFilter)]
    list_select_related = ["employee"]

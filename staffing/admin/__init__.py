"""Oversight of people and time."""

from django.contrib import admin
from django.contrib.auth.models import Group

from staffing.admin import alarms, counts, duty, facts, hours, looks, people, regions, rota

__all__ = ["alarms", "counts", "duty", "facts", "hours", "looks", "people", "regions", "rota"]

# Rights follow the employee's role; groups would be a second place that gives them.
admin.site.unregister(Group)

"""The forms of what is planned: a shift of one day, and an absence of days or hours."""

from abc import abstractmethod
from datetime import time, timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.text import capfirst
from django.utils.translation import gettext, gettext_lazy

from staffing import clock, rota
from staffing.rota import Problem
from staffing.rules import AMSTERDAM, LOOK_AHEAD, Period


class DayField(forms.DateField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"), **kwargs)

    def validate(self, value: Any) -> None:
        super().validate(value)
        if value and not 2000 <= value.year < 2100:  # what can be moved by a day and by a zone
            raise ValidationError(rota.SENTENCES[Problem.FAR])


class HourField(forms.TimeField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"), **kwargs)


class PlannedForm(forms.ModelForm):
    """What is planned for an employee. Checked and stored under the employee's lock."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.label = capfirst(field.label)

    @abstractmethod
    def period(self, said: dict[str, Any]) -> Period | None:
        """From when until when, out of what was said; None when that cannot be told, and the form says why."""

    def clean(self) -> dict[str, Any]:
        said = super().clean() or self.cleaned_data
        if self.errors:
            return said
        said["employee"].lock()
        found = self.period(said)
        if found:
            said["starts_at"], said["ends_at"] = found
        return said

    def _post_clean(self) -> None:
        if not self.errors:  # without a period there is nothing that the model could judge
            super()._post_clean()  # type: ignore[misc]

    def wrong(self, field: str, problem: Problem) -> None:
        self.add_error(field, rota.SENTENCES[problem])


class ShiftForm(PlannedForm):
    day = DayField(label=gettext_lazy("day"))
    starts_at = HourField(label=gettext_lazy("from"))
    ends_at = HourField(label=gettext_lazy("until"), help_text=gettext_lazy("00:00 means the end of the day."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            starts, ends = (at.astimezone(AMSTERDAM) for at in (self.instance.starts_at, self.instance.ends_at))
            self.initial.update(day=starts.date(), starts_at=starts.time(), ends_at=ends.time())

    def period(self, said: dict[str, Any]) -> Period | None:
        found = rota.period(said["day"], said["starts_at"], said["ends_at"])
        if isinstance(found, Problem):
            self.wrong("ends_at" if found is Problem.NOT_LATER else "starts_at", found)
            return None
        if problem := rota.problem_of(found, clock.now()):
            self.wrong("starts_at" if problem is Problem.BEGUN else "day", problem)
            return None
        return found


class AbsenceForm(PlannedForm):
    starts_at = DayField(label=gettext_lazy("first day"))
    ends_at = DayField(label=gettext_lazy("last day"), required=False, help_text=gettext_lazy("Empty: only the first day."))
    begins = HourField(label=gettext_lazy("from"), required=False, help_text=gettext_lazy("Empty: from the beginning of the first day."))
    ends = HourField(label=gettext_lazy("until"), required=False, help_text=gettext_lazy("Empty: until the end of the last day."))

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            starts, ends = (at.astimezone(AMSTERDAM) for at in (self.instance.starts_at, self.instance.ends_at))
            self.initial.update(
                starts_at=starts.date(),
                ends_at=rota.day_of(self.instance.ends_at - timedelta(microseconds=1)),
                begins=None if starts.time() == time(0) else starts.time(),
                ends=None if ends.time() == rota.END_OF_DAY else ends.time(),
            )

    def period(self, said: dict[str, Any]) -> Period | None:
        last = said["ends_at"] or said["starts_at"]
        ends = said["ends"] or rota.END_OF_DAY
        starts = rota.moment(said["starts_at"], said["begins"] or time(0))
        until = rota.moment(last + timedelta(days=1) if ends == rota.END_OF_DAY else last, ends)
        at = clock.now()
        if not starts or not until:
            self.wrong("begins", Problem.NO_SUCH_TIME)
        elif until <= starts:
            self.add_error("ends" if last == said["starts_at"] else "ends_at", gettext("This has to be later than the beginning."))
        elif abs(starts - at) > LOOK_AHEAD or until - starts > LOOK_AHEAD:
            self.wrong("starts_at", Problem.FAR)
        else:
            return starts, until
        return None

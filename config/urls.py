"""Every address of the product, by real imports, so that the import contracts see them."""

from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from chat.admin import override
from chat.views import public, staff
from config import health
from registration import views as registration

urlpatterns = [
    path("", public.home),
    path("start/", public.start),
    path("entries/", public.log_of_entries),
    path("end/", public.end),
    path("leave/", public.leave),
    path("status.json", public.status),
    path("health/live", health.live),
    path("health/ready", health.ready),
    path("metrics", health.metrics),
    path("staff/", staff.workspace),
    path("staff/login/", staff.log_in),
    path("staff/logout/", staff.log_out),
    path("staff/duty/start/", staff.start_duty),
    path("staff/duty/end/", staff.end_duty),
    path("staff/region/<slug:code>/", staff.region, name="region"),
    path("staff/registration/<uuid:conversation>/", registration.registration, name="registration"),
    path("staff/registration/<uuid:conversation>/register/", registration.register, name="register"),
    # One way in and one way out for everybody: logging out ends duty by the rule of the handover.
    path("admin/login/", RedirectView.as_view(url="/staff/login/?next=/admin/")),
    path("admin/logout/", staff.log_out),
    # Here, since it is chat that knows what somebody on duty holds, and staffing's own pages may not ask it.
    path("admin/staffing/duty/<str:duty>/override/", admin.site.admin_view(override), name="override"),
    path("admin/", admin.site.urls),
]
handler400 = public.bad_request
handler403 = public.forbidden
handler404 = public.not_here
handler500 = public.server_error

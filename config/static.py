"""Static files under names with a hash of their content, also inside imports between ES modules."""

from django.contrib.staticfiles.storage import ManifestStaticFilesStorage


class ManifestStorage(ManifestStaticFilesStorage):
    support_js_module_import_aggregation = True

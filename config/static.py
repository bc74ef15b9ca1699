"""Static files under names with a hash of their content, also inside imports between ES modules, and compressed beside themselves."""

from servestatic.storage import CompressedManifestStaticFilesStorage


class ManifestStorage(CompressedManifestStaticFilesStorage):
    support_js_module_import_aggregation = True
    # A file's name depends on the names of what it imports: one pass for each step of the longest chain, Django allows five.
    max_post_process_passes = 20

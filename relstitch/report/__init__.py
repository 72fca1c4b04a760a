"""Results on standard output, everything else on standard error. The only importer of rich."""

from relstitch.report.facts import show_facts, show_rows
from relstitch.report.progress import progress
from relstitch.report.stitch_table import markdown, show_stitch
from relstitch.report.streams import show_json, tell, warn

__all__ = ["markdown", "progress", "show_facts", "show_json", "show_rows", "show_stitch", "tell", "warn"]

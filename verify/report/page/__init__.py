"""`report.html`: one self-contained page, opened from disk, readable years later.

`render` fills the template from a report, `draw` makes its drawings from numbers, `drawn` says what
a check may hand over to be drawn, `changes` is the page of two bundles side by side. Style and
script lie beside the templates and are written into the page: no request leaves it.
"""

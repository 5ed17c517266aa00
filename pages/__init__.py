"""HTML pages of results: one file each, which loads nothing.

`write` makes the page of any result. A kind of page has a module that makes typed parts of a result
(`path_content`, `report_content`), one that renders them (`path_page`, `report_page`, `audit_page`)
and a template in `templates/`. `wording` has the phrases that pages and terminal share.
"""

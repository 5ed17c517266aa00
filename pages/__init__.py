"""HTML pages of results: one file each, which loads nothing.

`write` makes the page of any result. A kind of page has a module that makes typed parts of a result
(`image_content`, `path_content`, `report_content`), one that renders them (`image_page`,
`path_page`, `report_page`, `audit_page`) and a template in `templates/`. Images and classes share
the concept graph (`flow_content`, `flow_values`, `flows.html`). `wording` has the phrases
that pages and terminal share.
"""

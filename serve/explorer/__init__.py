"""The explorer: pages over the runs of a folder, or of a Neo4j, served to a browser.

app       the addresses, and what answers each
library   the runs: which there are, opened when first asked for, reopened when replaced
search    what is found as somebody types
pictures  thumbnails and photographs, looked up by keys
views/    what each page shows, one module a page, without HTML
templates/, static/   how it is shown
"""

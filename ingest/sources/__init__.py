"""Sources: whatever a user has, turned into concept data.

source         ConceptSource, and write_source, which writes any source as concept data
annotations/   regions that people or tools drew on images (`data build`)
merge          several sets of concept data as one (`data merge`)
"""

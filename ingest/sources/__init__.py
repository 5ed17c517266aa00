"""Sources of concept data: whatever a user has, written as concept data.

A source implements `ConceptSource`; `write_source` writes any of them.

    source         both of these
    annotations/   regions that people or tools drew on images (`data build`)
    merge          several sets of concept data (`data merge`)
"""

"""Annotations as a source of concept data: regions that people or tools drew on images.

`build` does everything and has the source, `AnnotationSource`.

    format       which formats there are; formats/ has one module for each
    regions      what a format's reader returns; `fields`, `folders` and `json_files` help it
    image_files  checks the images; `draw` and `run_lengths` draw regions as pixels
    consensus    what several annotators agree on
    report       tables beside the data, and the summary
"""

"""Concept data in the Broden layout: images, and which concepts are where in them.

`opening.open_concept_data` opens a data set.

    concepts    ConceptData and ConceptImage; `labels` has Concept, and reads label.csv
    masks       decodes mask files to label maps; `images` and `decoding` read image files
    csv_tables  reads CSV files
    checking/   reads everything and reports every defect (`data check`)
    writing/    writes a data set image by image
"""

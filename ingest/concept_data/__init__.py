"""Concept data in the Broden layout: images, and which concepts are where in them.

concepts    ConceptData and ConceptImage: what the rest of the package uses
opening     reads the tables and checks that every file exists; `labels` reads label.csv
masks       label maps from mask files; `images` reads image files; `decoding` does so in threads
csv_tables  CSV files, every error with its row
checking/   reads everything and lists every defect (`data check`)
writing/    writes data sets, and merges several (`data merge`)
"""

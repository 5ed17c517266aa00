"""The command line: a thin skin over the library, its tables, and the HTML pages."""

"""The command line: a thin skin over the library.

`commands` parse options and call the library, `tables` print results.
"""

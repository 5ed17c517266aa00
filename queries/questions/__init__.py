"""The catalogue's questions: one module each, named after its question, with one class.

`catalogue` finds them by their type; `docs/add-a-question.md` says how to add one.
"""

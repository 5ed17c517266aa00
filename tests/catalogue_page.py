"""Writes docs/queries.md from the heads of the Cypher files: `python -m tests.catalogue_page`."""

from __future__ import annotations

from pathlib import Path

from conceptgraph.queries.catalogue import SECTIONS, Entry, entry
from conceptgraph.queries.statements import picture

PAGE = Path(__file__).parents[1] / "docs" / "queries.md"
_VALUES = {
    "class": "road",
    "other": "sky",
    "concept": "texture/grass",
    "unit": "block4/290",
    "target": "block4/290",
    "block": "block4",
    "image": "photos/a.jpg",
    "explanation": "UID",
}
_INTRODUCTION = """\
# The catalogue of questions

Each question is one Cypher file in `queries/`, and the same question in Python over networkx:
both give the same rows in the same order, whether the run is in memory or in Neo4j.

```
conceptgraph query                                  # this list
conceptgraph query class-paths -p class=road        # from the run directory
conceptgraph query class-paths -p class=road --neo4j bolt://localhost:7687
```

On the command line a class or concept may be given by its name. In Neo4j Browser parameters are
uids: set them first, then paste the file. Where a question has a picture, its twin
`NAME-graph.cypher` takes the same parameters and returns paths.

```
:param {run: 'camvid', class: 'class/road', beam: 16, top: 10}
```

The graph holds the strongest contributions of each target, for and against; `share_left_out` of the
Run says how much positive weight that leaves out. `share` is a weight over all positive weights
into the same target, kept or not.

## Free Cypher without a server

`conceptgraph query --cypher 'MATCH …'` needs `pip install conceptgraph[cypher]` (kglite). It runs
these files unchanged, bounded in time and work, and changes nothing. What differs from Neo4j there:

- quantified path patterns, `SHORTEST`, `COLLECT {}`, `WHERE` inside a pattern and `(n:!A)` are
  missing; write explicit chains, from the class backwards;
- a node has three properties more, `id`, `title` and `type`, and `label` of a unit without one
  reads `Unit`: ask for `interpretable` first;
- `LOAD CSV` is refused, and so are texts with these two words in this order.
"""


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [_question(entry(name)) for name in names]
    return "\n".join(parts)


def _question(found: Entry) -> str:
    given = "".join(
        f" -p {parameter.name}={_VALUES[parameter.name]}"
        for parameter in found.parameters
        if parameter.default is None
    )
    lines = [
        f"### {found.title}",
        "",
        found.description,
        "",
        f"```\nconceptgraph query {found.name}{given}\n```",
        "",
        *(
            f"- `{p.name}`: {p.meaning}" + (f" (default {p.default})" if p.default else "")
            for p in found.parameters
        ),
        f"- Columns: {', '.join(f'`{column}`' for column in found.columns)}",
    ]
    if picture(found.name):
        lines.append(f"- Picture: `{found.name}-graph.cypher`")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

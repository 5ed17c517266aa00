"""Writes the catalogue for readers and for Neo4j Browser: `python -m tests.catalogue_docs`.

`docs/queries.md` comes from the heads of the Cypher files, and so do the saved queries in
`docker/browser/queries.zip`, which both Browsers import: a folder for each section. There what has
a default is written out; what a question is about stays a parameter, set once with `:param`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zipfile import ZipFile, ZipInfo

from conceptgraph.queries.catalogue import SECTIONS, Entry, entry
from conceptgraph.queries.question import picture, text
from tests.repository import ROOT

if TYPE_CHECKING:
    from conceptgraph.queries.question import Text

PAGE = ROOT / "docs" / "queries.md"
SAVED = ROOT / "docker" / "browser" / "queries.zip"
_FOLDER = "conceptgraph"
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

On the command line a class or concept may be given by its name. In [Neo4j Browser](browser.md)
parameters are uids: set them first, one `:param` each (in the form `:param {top: 10}` the older
Browser makes 10.0 of it), then paste the file. Where a question has a picture, its twin
`NAME-graph.cypher` takes the same parameters and returns paths.

```
:param run => 'camvid';
:param class => 'class/road';
:param beam => 1000;
:param top => 10;
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


def saved_queries() -> dict[str, str]:
    """What is in the zip: names of files, and their contents."""
    found = {f"{_FOLDER}/parameters.cypher": _parameters()}
    for section, names in SECTIONS.items():
        for name in names:
            found[f"{_FOLDER} {section}/{name}.cypher"] = _saved(text(name))
            if twin := picture(name):
                found[f"{_FOLDER} {section}/{name}-graph.cypher"] = _saved(twin, " (picture)")
    return found


def _parameters() -> str:
    lines = ["// What is asked about: change the values, and run this once"]
    values = {"run": "camvid", **_VALUES, "class": "class/road", "other": "class/sky"}
    lines += [f":param {name} => '{value}';" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _saved(found: Text, suffix: str = "") -> str:
    """A text with its defaults written out; the first line is its name in the older Browser."""
    defaults = {name: p.default for name, p in found.parameters.items() if p.default is not None}
    lines = []
    for line in found.cypher.splitlines():
        head = re.match(r"// \$(\w+): ", line)
        if not (head and head[1] in defaults):
            lines.append(re.sub(r"\$(\w+)", lambda m: defaults.get(m[1], m[0]), line))
    lines[0] += suffix
    return "\n".join(lines) + "\n"


def _write_zip() -> None:
    files = saved_queries()
    folders = dict.fromkeys(name.rsplit("/", 1)[0] + "/" for name in files)
    with ZipFile(SAVED, "w") as archive:
        for name, content in {**dict.fromkeys(folders, ""), **files}.items():
            archive.writestr(ZipInfo(name), content)  # with the same date always


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    _write_zip()

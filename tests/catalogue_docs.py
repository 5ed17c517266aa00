"""Write the catalogue for readers and for Neo4j Browser: `python -m tests.catalogue_docs`.

`docs/queries.md` comes from the heads of the Cypher files, and so do the saved queries in
`docker/browser/queries.zip`, which both Browsers import: a folder for each section. In the saved
queries defaults are written out; what a question is about is a parameter, set once with `:param`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from zipfile import ZipFile, ZipInfo

from conceptgraph.queries.catalogue import QUESTIONS, SECTIONS, CatalogueEntry, entry
from conceptgraph.queries.parameters import (
    BlockName,
    ClassUid,
    ConceptUid,
    ExplanationUid,
    ImageUid,
    TargetUid,
    UnitUid,
)
from conceptgraph.queries.question import cypher_text, picture_text
from tests.repository import ROOT

if TYPE_CHECKING:
    from conceptgraph.queries.question import CypherText

PAGE = ROOT / "docs" / "queries.md"
SAVED = ROOT / "docker" / "browser" / "queries.zip"
_FOLDER = "conceptgraph"
_EXAMPLES: dict[object, tuple[str, ...]] = {
    ClassUid: ("class/road", "class/sky"),
    ConceptUid: ("texture/grass", "object/car"),
    UnitUid: ("block4/290", "block4/12"),
    TargetUid: ("block4/290", "class/road"),
    BlockName: ("block4", "block3"),
    ImageUid: ("photos/a.jpg", "photos/b.jpg"),
    ExplanationUid: ("UID", "ANOTHER"),
}
"""Values of a question's parameters, by their types: of the first of a type, and of the second."""
_INTRODUCTION = """\
# The catalogue of questions

Each question is a Cypher file in `queries/cypher/` and a Python module in `queries/questions/` that
asks the graph in memory. Both return the same rows in the same order.
[How to add a question](add-a-question.md).

```
conceptgraph query                                  # this list
conceptgraph query class-paths -p class=road        # from the run directory
conceptgraph query class-paths -p class=road --neo4j bolt://localhost:7687
```

On the command line a class or concept may be given by its name. In [Neo4j Browser](browser.md)
parameters are uids. Set them first, one `:param` each, then paste the file. (In the older Browser
`:param {top: 10}` becomes 10.0, which `LIMIT` refuses.) If a question has a picture,
`NAME-graph.cypher` takes the same parameters and returns paths that the Browser draws.

```
:param run => 'camvid';
:param class => 'class/road';
:param beam => 1000;
:param top => 10;
```

The graph holds the strongest contributions to each target, for and against; `share_left_out` of
the Run is the share of positive weight that it leaves out. `share` is a weight over all positive
weights into the same target, whether they are in the graph or not. Evidence of classes is in the
graph if the run has it (`conceptgraph evidence`).

## Free Cypher without a server

`conceptgraph query --cypher 'MATCH …'` needs `pip install conceptgraph[cypher]` (kglite). It runs
these files unchanged, with the same checks as [on a server](neo4j.md#free-cypher), and in a process
of its own with at most 2 GB beside the graph. It differs from Neo4j:

- quantified path patterns, `SHORTEST`, `COLLECT {}`, `WHERE` inside a pattern and `(n:!A)` are
  missing; write explicit chains, from the class backwards;
- a node has three more properties, `id`, `title` and `type`, and `label` of a unit without a label
  is `Unit`: test `named` first;
- block comments and `SHOW` are missing.
"""


def page() -> str:
    """Return the whole page."""
    parts = [_INTRODUCTION]
    for title, names in SECTIONS.items():
        parts.append(f"## {title}\n")
        parts += [_question(entry(name)) for name in names]
    return "\n".join(parts)


def _default(value: object) -> str:
    return "" if value in (None, "") else f" (default {value})"


def _question(question: CatalogueEntry) -> str:
    examples = _examples(question.name)
    given = "".join(
        f" -p {parameter.name}={examples[parameter.name].removeprefix('class/')}"
        for parameter in question.parameters
        if parameter.default is None
    )
    lines = [
        f"### {question.title}",
        "",
        question.description,
        "",
        f"```\nconceptgraph query {question.name}{given}\n```",
        "",
        *(
            f"- `{p.name}`: {p.meaning}"
            + ("" if p.default in (None, "") else f" (default {p.default})")
            for p in question.parameters
        ),
        f"- Columns: {', '.join(f'`{column}`' for column in question.columns)}",
    ]
    if picture_text(question.name):
        lines.append(f"- Picture: `{question.name}-graph.cypher`")
    return "\n".join(lines) + "\n"


def _examples(name: str) -> dict[str, str]:
    """Return an example of each parameter that is resolved by its type."""
    examples: dict[str, str] = {}
    used: list[object] = []
    for parameter, kind in QUESTIONS[name].parameter_types().items():
        if kind in _EXAMPLES:
            examples[parameter] = _EXAMPLES[kind][used.count(kind)]
            used.append(kind)
    return examples


def saved_queries() -> dict[str, str]:
    """Return the names and contents of the files in the zip."""
    files = {f"{_FOLDER}/parameters.cypher": _parameters()}
    for section, names in SECTIONS.items():
        for name in names:
            files[f"{_FOLDER} {section}/{name}.cypher"] = _saved(cypher_text(name))
            if picture := picture_text(name):
                files[f"{_FOLDER} {section}/{name}-graph.cypher"] = _saved(picture, " (picture)")
    return files


def _parameters() -> str:
    lines = ["// What is asked about: change the values, and run this once"]
    values = {"run": "camvid"}
    for name in (name for names in SECTIONS.values() for name in names):
        values |= {key: value for key, value in _examples(name).items() if key not in values}
    lines += [f":param {name} => '{value}';" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _saved(text: CypherText, suffix: str = "") -> str:
    """Return a text with its defaults written out; the older Browser names it by its first line."""
    defaults = {
        name: p.default if re.fullmatch(r"[\d.]+", p.default) else f"'{p.default}'"
        for name, p in text.parameters.items()
        if p.default is not None
    }
    lines = []
    for line in text.cypher.splitlines():
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
            archive.writestr(ZipInfo(name), content)  # always with the same date


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    _write_zip()

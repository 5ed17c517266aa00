"""A run's graph as files for `neo4j-admin database import full`, and the script that imports them.

One CSV for each kind of node and of relationship, by its labels; `schema` says what is in them.
An imported run is as complete as a loaded one: loading it again changes nothing.
"""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from itertools import groupby, islice
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import csv

from ...errors import StoreError
from ...progress import no_advance
from ..schema import NODES, RELATIONSHIPS, VERSION
from ..stores.neo4j_load import constraints, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from ...progress import Advance
    from ..elements import Edge, Node, Value
    from ..records import Records
    from ..schema import Properties, PropertyType

_SEPARATOR = "\x1f"  # between the items of a list: no name has it
_BATCH = 50_000
_ARROW = {"long": pa.int64(), "double": pa.float64(), "boolean": pa.bool_()}
_LOADED: dict[str, PropertyType] = {"digest": "string", "schema": "long", "status": "string"}
_IMPORT = """\
#!/bin/sh
# Imports one run into a new database of a Neo4j server that is stopped:
#     ./import.sh                                    into the database neo4j
#     ./import.sh neo4j --overwrite-destination      replacing all that is in it
# Then start the server and make its indexes: cypher-shell -f constraints.cypher
set -eu
database="${1:-neo4j}"
[ $# -eq 0 ] || shift
cd "$(dirname "$0")"
exec "${NEO4J_ADMIN:-neo4j-admin}" database import full "$database" "$@" \\
    --array-delimiter=U+001F --multiline-fields=true \\
"""


def write_import(records: Records, folder: Path, progress: Advance = no_advance) -> None:
    """Write the CSV files, `import.sh` and `constraints.cypher` into an empty folder.

    `progress` is called with numbers of nodes and edges as they are written, `len(records)` in all.

    Raises:
        StoreError: a name has the character U+001F.
        OSError: the folder cannot be written to.
    """
    nodes = _nodes(records)
    labels = {node.uid: node.labels[0] for node in nodes}
    files = _Files(folder)
    with files:
        for label, group in groupby(sorted(nodes), key=lambda node: node.labels[0]):
            files.write_nodes(label, group, progress)
        edges = records.all_edges()
        while batch := list(islice(edges, _BATCH)):
            for kind, same in groupby(batch, key=lambda edge: (edge.type, labels[edge.target])):
                files.write_edges(*kind, same, progress)
    script = folder / "import.sh"
    arguments = " \\\n".join(f"    {argument}" for argument in files.arguments)
    script.write_text(f"{_IMPORT}{arguments}\n")
    script.chmod(0o755)
    statements = "".join(f"{text};\n" for text in constraints())
    (folder / "constraints.cypher").write_text(statements)


def _nodes(records: Records) -> list[Node]:
    """Return each node once, the Run with what loading adds to it."""
    run = records.nodes[0]
    loaded: dict[str, Value] = {
        "digest": digest_of(records),
        "schema": VERSION,
        "status": "complete",
    }
    nodes = {node.uid: node for node in records.all_nodes()}
    nodes[run.uid] = run._replace(properties={**run.properties, **loaded})
    return list(nodes.values())


class _Files:
    """The CSV files of a folder, each opened with its first rows.

    Attributes:
        arguments: of `neo4j-admin`, one for each file, quoted for a shell.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, csv.CSVWriter] = {}
        self._stack = ExitStack()
        self.arguments: list[str] = []

    def __enter__(self) -> None:
        self._stack.__enter__()

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def write_nodes(self, label: str, nodes: Iterable[Node], progress: Advance) -> None:
        types: Properties = {**NODES[label], **(_LOADED if label == "Run" else {})}
        header = {f"uid:ID({label})": "string", ":LABEL": "string[]", **_header(types)}
        rows = [(node.uid, list(node.labels), *map(node.properties.get, types)) for node in nodes]
        self._write(f"{label}.csv", f"--nodes=./{label}.csv", header, rows)
        progress(len(rows))

    def write_edges(self, kind: str, target: str, edges: Iterable[Edge], progress: Advance) -> None:
        relationship = RELATIONSHIPS[kind]
        types = relationship.properties
        ends = {f":START_ID({relationship.source})": "string", f":END_ID({target})": "string"}
        rows = [(edge.source, edge.target, *map(edge.properties.get, types)) for edge in edges]
        name = f"{kind}-{target}.csv"
        self._write(name, f"--relationships={kind}=./{name}", {**ends, **_header(types)}, rows)
        progress(len(rows))

    def _write(
        self,
        name: str,
        argument: str,
        header: Mapping[str, str],
        rows: list[tuple[Value | None, ...]],
    ) -> None:
        columns = zip(header, header.values(), zip(*rows, strict=True), strict=True)
        table = pa.table({column: _array(values, kind) for column, kind, values in columns})
        if name not in self._open:
            quoted = csv.WriteOptions(quoting_style="all_valid")  # what is absent stays unquoted
            # A writer does not close a file that it opened itself before it is collected.
            file = self._stack.enter_context((self._folder / name).open("wb"))
            writer = csv.CSVWriter(file, table.schema, write_options=quoted)
            self._open[name] = self._stack.enter_context(writer)
            self.arguments.append(shlex.quote(argument))
        self._open[name].write_table(table)


def _header(types: Properties) -> dict[str, str]:
    return {f"{name}:{kind}": kind for name, kind in types.items()}


def _array(values: Iterable[Value | None], kind: str) -> pa.Array:
    if kind.endswith("[]"):
        values = [_joined(value) if isinstance(value, list) else None for value in values]
    return pa.array(values, type=_ARROW.get(kind, pa.string()))


def _joined(values: Iterable[object]) -> str:
    texts = [str(value) for value in values]
    if any(_SEPARATOR in text for text in texts):
        raise StoreError("a name has the character U+001F, which separates names in the import")
    return _SEPARATOR.join(texts)

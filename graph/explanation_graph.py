"""The nodes and edges of the explanations that are saved in a run."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from .elements import Edge, ExplanationGraph, Node, drop_missing
from .run.explanations import saved_explanations
from .uids import explanation_uid, graph_uid, path_uid

if TYPE_CHECKING:
    from .run.explanations import SavedExplanation, SavedPath
    from .run.reader import Run


def explanation_graphs(run: Run) -> tuple[ExplanationGraph, ...]:
    """Make the graphs of all explanations of a run; RunError for a file that is not one."""
    return tuple(_explanation_graph(run, saved) for saved in saved_explanations(run))


def _explanation_graph(run: Run, saved: SavedExplanation) -> ExplanationGraph:
    answer, uid = saved.answer, graph_uid(run.name, explanation_uid(saved.key))
    versus = f" − {answer['versus']}" if answer["versus"] else ""
    properties = {
        "run": run.name,
        "name": f"{answer['class']}{versus}",
        "method": answer["method"],
        "versus": answer["versus"],
        "logit": answer["logit"],
        "probability": answer["probability"],
        "coverage": answer["coverage"],
    }
    image = {"name": PurePath(saved.path).name, "path": saved.path}
    row = list(run.classes["name"]).index(answer["class"])
    explained_class = graph_uid(run.name, str(run.classes["uid"].iloc[row]))
    nodes = [
        Node(("Image",), saved.image, drop_missing(image)),
        Node(("Explanation",), uid, drop_missing(properties)),
    ]
    edges = [
        Edge("EXPLAINED_BY", saved.image, uid, {}),
        Edge("OF", uid, explained_class, {}),
    ]
    for path in answer["paths"]:
        nodes.append(_path_node(run.name, uid, path))
        edges += _path_edges(run.name, uid, path)
    return ExplanationGraph(tuple(nodes), tuple(edges))


def _path_node(run: str, explanation: str, path: SavedPath) -> Node:
    properties = {
        "run": run,
        "name": f"{path['contribution']:+.3g}",
        "rank": path["rank"],
        "contribution": path["contribution"],
        "measured": path["measured"],
    }
    return Node(("Path",), path_uid(explanation, path["rank"]), drop_missing(properties))


def _path_edges(run: str, explanation: str, path: SavedPath) -> list[Edge]:
    uid = path_uid(explanation, path["rank"])
    steps = [
        Edge("STEP", uid, graph_uid(run, unit), {"position": position})
        for position, unit in enumerate(path["units"])
    ]
    return [Edge("HAS_PATH", explanation, uid, {}), *steps]

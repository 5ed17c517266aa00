"""The types of what a question is about: the catalogue resolves a parameter by its type.

All are uids as a run has them (`graph.uids`), without the run in front. A question that declares
`rival: ClassUid` can be asked with the name of a class, or with its uid.
"""

from __future__ import annotations

from typing import NewType, TypeAlias

ClassUid = NewType("ClassUid", str)
"""A class: "class/juggling"."""

ConceptUid = NewType("ConceptUid", str)
"""A concept, shared by runs: "texture/polka dotted"."""

UnitUid = NewType("UnitUid", str)
"""A unit: "block4/290"."""

TargetUid: TypeAlias = UnitUid | ClassUid
"""What units contribute to: a unit or a class."""

BlockName = NewType("BlockName", str)
"""A dissected block: "block4"."""

ImageUid = NewType("ImageUid", str)
"""An image with saved explanations: the sha256 of its content."""

ExplanationUid = NewType("ExplanationUid", str)
"""A saved explanation: "explanation/0f3a"."""

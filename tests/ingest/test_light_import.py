"""Torchvision without torch's compiler: quick to import, and nothing is missed later."""

from __future__ import annotations

import subprocess
import sys

START = """
import sys, torch
from conceptgraph.ingest.engine.light_import import without_compiler
with without_compiler():
    import torchvision
assert "torch._dynamo" not in sys.modules
"""
LATER = {
    "what torchvision asks": """
boxes = torch.tensor([[0.0, 0, 0, 4, 4]])
assert torchvision.ops.roi_align(torch.ones(1, 1, 8, 8), boxes, 2).shape == (1, 1, 2, 2)
""",
    "the compiler": """
assert torch.compile(lambda x: x + 1, backend="eager")(torch.ones(1)).item() == 2
import torch._dynamo.utils
assert torch._dynamo.utils.counters is not None
""",
}
DURING = """
import sys, torch
from conceptgraph.ingest.engine.light_import import without_compiler
with without_compiler():
    from torch._dynamo.utils import is_compile_supported
    assert is_compile_supported("cpu") in (True, False)
with without_compiler():
    from torch._dynamo.utils import counters
assert torch._dynamo.utils.counters is counters
"""


def test_torchvision_is_whole_without_the_compiler() -> None:
    run_alone(START + "".join(LATER.values()))


def test_what_else_is_asked_for_is_imported() -> None:
    run_alone(DURING)


def run_alone(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

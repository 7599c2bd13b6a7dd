"""No number is drawn from a stream that nobody named."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import drift
from contracts.generator.limits import nans_allocated
from drift.evaluate import networks

DRAWS = {"randn", "rand", "randint", "randperm", "multinomial", "bernoulli", "normal_", "uniform_",
         "trunc_normal_", "xavier_uniform_", "kaiming_uniform_", "bernoulli_", "random_",
         "exponential_", "randn_like", "rand_like"}  # fmt: skip
LAYERS = {"Linear", "Conv2d", "Embedding"}  # which draw their parameters where they are made
OTHERWISE = {"bench/loss.py"}  # stands in for numbers whose values nobody looks at


def _unnamed(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner = ast.unparse(node.func.value)
        keys = {keyword.arg for keyword in node.keywords}
        if node.func.attr in DRAWS and "np." not in owner and "generator" not in keys:
            yield f"{node.lineno}: {ast.unparse(node)}"
        if node.func.attr in LAYERS and owner == "nn":
            yield f"{node.lineno}: {ast.unparse(node)}"


def test_every_draw_names_its_generator_and_no_layer_of_torch_draws_for_itself():
    root = Path(drift.__file__).parent
    found = {
        path.relative_to(root).as_posix(): list(_unnamed(ast.parse(path.read_text())))
        for path in root.rglob("*.py")
    }
    assert {name for name, calls in found.items() if calls} <= OTHERWISE, found
    planted = "torch.randn(2); nn.init.normal_(w, std=1.0); nn.Linear(1, 1); np.random.rand(2)"
    assert len(list(_unnamed(ast.parse(planted)))) == 3


def test_an_extractor_without_weights_holds_no_memory_as_it_was_found() -> None:
    with nans_allocated():
        parameters = list(networks.Tiny("drift-tiny", ["pool"]).parameters())
    assert all(bool((one == 0).all()) for one in parameters)

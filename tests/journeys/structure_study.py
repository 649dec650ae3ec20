"""A structure study with a prior and a task of one's own: in Python, then by the same recipe on the shell."""

from pathlib import Path

import nnstruct as ns
from nnstruct.cli import app

PARTS = Path(__file__).with_name("own_parts.py")
RECIPE = """
task = { name = "half-moon-sum" }
space = { families = ["mlp"], units = [4, 9] }
sample = { count = 12, priors = ["long-path", "barabasi-albert"] }
train = { epochs = 2, batch_size = 32 }
seeds = { default = 2 }
"""

# journey begins
ns.plugins.load_plugin(PARTS)
task, space = ns.load_task("half-moon-sum"), ns.Space("mlp", units=(4, 9))
structures = ns.priors.sample(space, 12, priors=["long-path", "barabasi-albert"])
structures.append(ns.Structure.from_edges([(0, 1), (0, 2), (1, 3), (2, 3)]))
config = ns.TrainConfig(epochs=2, batch_size=32)
bench = ns.build(task, structures, seeds=2, config=config, out="study", workers=1)
table = ns.features(bench, ["paper", "layered"])
print(table["paper.density"].corr(table["layered.depth"]) if "layered.depth" in table else table.shape)
print(ns.evaluate(["mean", "bayesian-ridge"], bench, folds=3, repeats=1).compare())
# journey ends

# The same on the shell: nnstruct build recipe.toml --out again --plugin own_parts.py
Path("recipe.toml").write_text(RECIPE)
app(["build", "recipe.toml", "--out", "again", "-q", "-w", "1", f"--plugin={PARTS}"], standalone_mode=False)

again = ns.load_benchmark("again")
assert set(again.fingerprints) <= set(bench.fingerprints)
assert {s.origin.get("prior") for s in again.structures} == {"long-path", "barabasi-albert"}

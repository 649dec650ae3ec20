"""Trained modules of one's own and their scores: how well are they predicted, and what to train next?"""

import warnings

import torch

import nnstruct as ns

# What the user has: modules, their scores, an input.
torch.manual_seed(0)
widths = [(4,), (8,), (16,), (24,), (6, 6), (12, 6), (6, 12), (12, 12), (16, 8), (20,), (10, 10), (8, 8, 8)]
modules = []
for hidden in [*widths, (8,)]:
    pairs = list(zip((64, *hidden), (*hidden, 10), strict=True))
    layers = [layer for pair in pairs for layer in (torch.nn.Linear(*pair), torch.nn.ReLU())]
    modules.append(torch.nn.Sequential(*layers[:-1]))
scores = [0.5 + 0.02 * sum(hidden) ** 0.8 for hidden in [*widths, (8,)]]
x, task = torch.zeros(1, 64), ns.load_task("digits")
warnings.simplefilter("always")

# journey begins
networks = [ns.extract(module, x, family="auto") for module in modules]
bench = ns.Benchmark.from_scores(networks, scores, task="digits", name="mine")
print(ns.evaluate(["mean", "bayesian-ridge"], bench, folds=3, repeats=1))
search = ns.Search(ns.Space("mlp", units=(4, 40)), ns.predictors.BayesianRidge()).warm_start(bench)
next_ones = [ns.build_module(structure, task) for structure in search.ask(3)]
# journey ends

assert len(bench) == 12, "the copy is merged"
assert {network.structure.family for network in networks} == {"mlp"}
assert len(next_ones) == 3
assert next_ones[0](torch.zeros(5, 64)).shape == (5, 10)
assert ns.features(bench, ["paper"]).shape[0] == 12

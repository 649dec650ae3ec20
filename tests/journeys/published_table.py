"""A predictor of one's own, without a deviation, on a published table: score, compare, search, share."""

import itertools

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

import nnstruct as ns

# What the user has: a file of the table, here a few cells with made-up accuracies in its form.
OPERATORS = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
rng, rows = np.random.default_rng(0), ["arch,c10_test_200"]
for cell in rng.permutation(list(itertools.product(OPERATORS, repeat=6)))[:80]:
    a, b, c, d, e, f = cell
    arch = f"|{a}~0|+|{b}~0|{c}~1|+|{d}~0|{e}~1|{f}~2|"
    rows.append(f"{arch},{70 + 3 * sum(op.startswith('nor') for op in cell) + rng.normal():.3f}")
with open("table.csv", "w") as file:
    file.write("\n".join(rows))

# journey begins
from nnstruct.predictors import PREDICTORS  # noqa: E402


@PREDICTORS.register("convolutions")
class Convolutions(RegressorMixin, BaseEstimator):
    """A line on the number of convolutions."""

    def __init__(self, random_state=0):
        self.random_state = random_state

    def fit(self, structures, y):
        self.line_ = np.polyfit(self.count(structures), y, 1)
        return self

    def predict(self, structures):
        return np.polyval(self.line_, self.count(structures))

    def count(self, structures):
        return [sum(op.startswith("conv") for op in s.attributes["operator"]) for s in structures]


bench = ns.tables.read("nasbench201", "table.csv", task="cifar10")
found = ns.evaluate(["convolutions", "mean"], bench, train_sizes=[20, 40], draws=4, protocol="no-twins")
print(found, found.compare("convolutions", "mean"), sep="\n")
found.plot("kendall").figure.savefig("curve.png")
found.splits(found.save("scores") / "splits.csv")
search = ns.Search(ns.search.TableSpace(bench), ns.predictors.PREDICTORS["convolutions"](), initial=10)
for _ in range(4):
    asked = search.ask(5)
    search.tell(asked, bench.labels(asked))
print(search.best, search.best_score)
print(ns.Structure.from_cell("|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|nor_conv_1x1~1|none~2|"))
# journey ends

assert found.table.loc[("convolutions", 40, "no-twins"), "kendall"] > 0.5
assert found.compare("convolutions", "mean")["better"].tolist() == ["convolutions", "convolutions"]
assert search.best_score > np.median(bench.y)

"""NAS-Bench-NLP: recurrent cells trained as language models."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from nnstruct.benchmark.scores import Rows
from nnstruct.errors import InvalidInputError
from nnstruct.structure import Structure
from nnstruct.tables.base import TABLES
from nnstruct.tables.files import numbers, read_objects

_NAMES = {
    "linear": "linear",
    "elementwise_prod": "mul",
    "elementwise_sum": "add",
    "blend": "blend",
    "activation_tanh": "tanh",
    "activation_sigm": "sigmoid",
    "activation_leaky_relu": "leaky_relu",
}
_HINT = "The folder of unpacked logs of github.com/fmsnew/nas-bench-nlp-release is wanted."


@TABLES.register("nasbench-nlp")
def read_nasbench_nlp(path: Path) -> Rows:
    """Read NAS-Bench-NLP from the authors' logs, a JSON file a training.

    A folder is searched for ``*.json``; a single file holds one log or a list of them. Read are ``recepie``
    (the cell as JSON text), ``data``, ``val_losses`` and ``test_losses`` (after each epoch), ``wall_times``
    and ``num_params``.

    A cell is a Structure (family ``module``) with a unit for its input ``x``, one for each hidden state
    (``state``) and one for each operation of the recipe: ``linear``, ``mul``, ``add``, ``blend``, ``tanh``,
    ``sigmoid``, ``leaky_relu``. A new state ``h_new_i`` leads to the state ``h_prev_i`` by a delayed edge;
    ``h_new_0`` is the output. Which of its inputs is the gate of a ``blend`` is not kept. Twins, such as the
    runs with several seeds, have equal fingerprints.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Rows
        A task a corpus, such as ``ptb``: targets ``neg_test_loss`` (minus the test loss, in nats a word,
        after the epoch with the least validation loss) and ``neg_val_loss`` (minus that loss); costs
        ``parameters`` and ``seconds``. Trainings without a finite loss have no score.

    Raises
    ------
    InvalidInputError
        If a file is in another format.

    References
    ----------
    N. Klyuchnikov et al. NAS-Bench-NLP: neural architecture search benchmark for natural language processing.
    IEEE Access 10 (2022), arXiv 2006.07116. The format: github.com/fmsnew/nas-bench-nlp-release,
    ``main_one_model_train.py`` and ``custom_rnn.py``.
    """
    found = read_objects(path, "*.json", _HINT)
    structures, corpora, test, val = [], [], [], []
    for where, item in found:
        if not {"recepie", "val_losses", "test_losses"} <= set(item):
            raise InvalidInputError(where, "hold 'recepie', 'val_losses', 'test_losses'", sorted(item), _HINT)
        structures.append(recipe_structure(item["recepie"], where))
        corpora.append(PurePosixPath(str(item.get("data", "ptb"))).name)
        losses = [numbers(item[name], f"{where}: {name}") for name in ("val_losses", "test_losses")]
        if len(losses[0]) != len(losses[1]):
            rule = "hold a test loss for each validation loss"
            raise InvalidInputError(where, rule, [len(losses[0]), len(losses[1])])
        finite = np.flatnonzero(np.isfinite(losses[0]))
        best = [int(finite[np.argmin(losses[0][finite])])] if len(finite) else []
        val.append(-losses[0][best[0]] if best else np.nan)
        test.append(-losses[1][best[0]] if best else np.nan)
    labels: dict[tuple[str, str], Any] = {}
    for corpus in dict.fromkeys(corpora):
        here = np.array([name == corpus for name in corpora])
        for target, values in (("neg_test_loss", test), ("neg_val_loss", val)):
            labels[corpus, target] = (np.where(here, values, np.nan), None, None)
    seconds = [float(np.sum(numbers(item.get("wall_times", []), "wall_times"))) for _, item in found]
    parameters = numbers([item.get("num_params") for _, item in found], "num_params")
    return Rows.of_labels(
        structures, labels, costs={"parameters": parameters, "seconds": seconds}, source="nasbench-nlp"
    )


def recipe_structure(recipe: str | Mapping[str, Any], where: str = "recepie") -> Structure:
    """The structure of a cell.

    Parameters
    ----------
    recipe : str or mapping
        From the name of a node to its ``op`` and its ``input``, a list of names; as JSON text or not.
    where : str
        For the errors.

    Returns
    -------
    Structure

    Raises
    ------
    InvalidInputError
        If it is no such recipe.

    Examples
    --------
    >>> cell = recipe_structure({
    ...     "f": {"op": "linear", "input": ["x", "h_prev_0"]},
    ...     "h_new_0": {"op": "activation_tanh", "input": ["f"]},
    ... })
    >>> cell.attributes["operator"], cell.recurrent_edges.tolist()
    (('input', 'state', 'linear', 'tanh'), [[3], [1]])
    """
    try:
        nodes = json.loads(recipe) if isinstance(recipe, str) else dict(recipe)
        read = {name: list(node["input"]) for name, node in nodes.items()}
        given = {name: str(node["op"]) for name, node in nodes.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInputError(where, "be a recipe: nodes with 'op' and 'input'", recipe) from error
    for name, operation in given.items():
        if operation not in _NAMES:
            raise InvalidInputError(f"{where}: {name}", f"be among {', '.join(_NAMES)}", operation)
    sources = {name for inputs in read.values() for name in inputs} - set(nodes)
    states = sorted(name for name in sources if name.startswith("h_prev_"))
    if "h_new_0" not in nodes or sources - {"x", *states}:
        rule = "make h_new_0 and read x, states and its own nodes"
        raise InvalidInputError(where, rule, sorted(sources - {"x", *states}) or sorted(nodes))
    units = ["x", *states, *nodes]
    place = {name: index for index, name in enumerate(units)}
    forward = dict.fromkeys((place[source], place[name]) for name in nodes for source in read[name])
    delayed = [
        (place[new], place[state]) for state in states if (new := state.replace("prev", "new")) in nodes
    ]
    index = np.arange(len(units))
    return Structure(
        np.array([*forward, *delayed]).T,
        len(units),
        recurrent=np.repeat([False, True], [len(forward), len(delayed)]),
        family="module",
        inputs=index == 0,
        outputs=index == place["h_new_0"],
        attributes={"operator": ("input", *("state",) * len(states), *(_NAMES[op] for op in given.values()))},
        origin={"kind": "table", "table": "nasbench-nlp"},
    )

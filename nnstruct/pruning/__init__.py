"""Pruning: every registered way from a network to a sparser one, and schedules around them."""

from nnstruct.pruning.base import PRUNERS, Pruner, ScoringPruner, Workpiece
from nnstruct.pruning.channels import Channels
from nnstruct.pruning.divergence import mask_divergence
from nnstruct.pruning.door import load_pruner, prune
from nnstruct.pruning.evaluation import evaluate
from nnstruct.pruning.grasp import Grasp
from nnstruct.pruning.grid import run_trajectories
from nnstruct.pruning.gumbel import GumbelSoftmax
from nnstruct.pruning.layerwise_obs import LayerwiseObs
from nnstruct.pruning.magnitude import ClassBlind, ClassDistributed, ClassUniform
from nnstruct.pruning.masks import made_permanent, masks_of, with_masks
from nnstruct.pruning.movement import Movement
from nnstruct.pruning.optimal_brain_damage import OptimalBrainDamage
from nnstruct.pruning.plots import plot_accuracy
from nnstruct.pruning.rigl import RigL
from nnstruct.pruning.run import run_trajectory
from nnstruct.pruning.schedules import SCHEDULES, Schedule
from nnstruct.pruning.slots import Scope
from nnstruct.pruning.snip import Snip
from nnstruct.pruning.sparse_evolution import SparseEvolution
from nnstruct.pruning.sr_ste import SrSte
from nnstruct.pruning.starting import starting_network
from nnstruct.pruning.synflow import SynFlow
from nnstruct.pruning.thresholds import compare, thresholds
from nnstruct.pruning.training import fit
from nnstruct.pruning.trajectory import Step, Trajectory, to_benchmark, trajectory_table
from nnstruct.pruning.trajectory_file import load_trajectories, save_trajectories
from nnstruct.pruning.uniform_random import Random

__all__ = [
    "PRUNERS",
    "SCHEDULES",
    "Channels",
    "ClassBlind",
    "ClassDistributed",
    "ClassUniform",
    "Grasp",
    "GumbelSoftmax",
    "LayerwiseObs",
    "Movement",
    "OptimalBrainDamage",
    "Pruner",
    "Random",
    "RigL",
    "Schedule",
    "Scope",
    "ScoringPruner",
    "Snip",
    "SparseEvolution",
    "SrSte",
    "Step",
    "SynFlow",
    "Trajectory",
    "Workpiece",
    "compare",
    "evaluate",
    "fit",
    "load_pruner",
    "load_trajectories",
    "made_permanent",
    "mask_divergence",
    "masks_of",
    "plot_accuracy",
    "prune",
    "run_trajectories",
    "run_trajectory",
    "save_trajectories",
    "starting_network",
    "thresholds",
    "to_benchmark",
    "trajectory_table",
    "with_masks",
]

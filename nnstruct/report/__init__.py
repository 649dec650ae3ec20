"""Reports: one HTML file that needs nothing else, and the plots in it as functions of an Axes."""

from __future__ import annotations

from nnstruct.report import plots
from nnstruct.report.page import HeldOut, write_report
from nnstruct.report.provenance import provenance_of

__all__ = ["HeldOut", "plots", "provenance_of", "write_report"]

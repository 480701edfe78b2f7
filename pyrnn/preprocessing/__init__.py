"""Keras' older places of `pyrnn.utils.pad_sequences` and `pyrnn.utils.timeseries_dataset_from_array`."""

from ..utils import timeseries_dataset_from_array
from . import sequence

__all__ = ["sequence", "timeseries_dataset_from_array"]

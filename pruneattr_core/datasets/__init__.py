"""Pictures to explain: samples and shape scenes that are always there, and data sets that are found."""

from pruneattr_core.datasets.base import Dataset, Sample
from pruneattr_core.datasets.folder import FolderDataset
from pruneattr_core.datasets.opening import find_data_root, list_datasets, load_dataset

__all__ = ["Dataset", "FolderDataset", "Sample", "find_data_root", "list_datasets", "load_dataset"]

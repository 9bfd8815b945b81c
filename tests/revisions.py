"""A repository of the hub in three states, in the layout of huggingface_hub's cache."""

from __future__ import annotations

from pathlib import Path

import torch

#: Of the branch, the tag and the pull request, in this order.
COMMITS = ("1" * 40, "2" * 40, "3" * 40)
_NAMES = ("main", "v2", "refs/pr/1")


def published(cache: Path, repo: str = "someone/tiny") -> Path:
    """Three small networks of random values, the classes of each called otherwise; returns their folder."""
    import timm

    folder = cache / f"models--{repo.replace('/', '--')}"
    for seed, (commit, name) in enumerate(zip(COMMITS, _NAMES, strict=True)):
        torch.manual_seed(seed)
        first = ("first", "second", "third")[seed]
        labels = {"num_classes": 3, "label_names": [first, "b", "c"]}
        network = timm.create_model("test_resnet", num_classes=3)
        snapshot, ref = folder / "snapshots" / commit, folder / "refs" / name
        snapshot.mkdir(parents=True)
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(commit)
        timm.models.save_for_hf(network, str(snapshot), model_config=labels, safe_serialization=True)
    return folder

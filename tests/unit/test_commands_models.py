"""The command `models` lists networks without making any."""

from __future__ import annotations

import json

from pruneattr_core import cli
from pruneattr_core.models import model_card


def test_what_is_listed_of_a_network_is_what_its_card_says(capsys):
    """Torchvision's come from a file, without torchvision."""
    assert cli.main(["models", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["models"]
    assert len([one for one in found if one["kind"] == "torchvision"]) >= 80
    for one in found:
        card = model_card(one["id"])
        assert one == {
            "id": card.id, "title": card.title, "classes": len(card.classes), "size": list(card.size),
            "kind": card.kind, "here": card.available_offline(),
        }  # fmt: skip

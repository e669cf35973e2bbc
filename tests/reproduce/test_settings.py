"""Oracles: the agreement of each generated result; the settings of figure 5."""

import json

from linearityiqa.reproduce.arms import ARMS, SETTINGS, mean_words
from linearityiqa.reproduce.item import draw_item, gather
from linearityiqa.reproduce.paper import Scale
from linearityiqa.reproduce.reproduction import numbers_json
from linearityiqa.reproduce.setup import ITEMS


def test_runs_are_those_of_figure_5_and_more():
    scale = Scale()
    runs = set(SETTINGS.runs(scale))
    assert set(ITEMS["fig5"].runs(scale)) <= runs
    assert len(runs) == len(ARMS) * (1 + 3 + 3 + 3) * len(scale.seeds)


def test_settings_are_rows_and_losses_columns(make_source):
    scale = Scale(seeds=(1, 2))
    source = make_source(lacks=lambda need: need.run.batch_size == 16)
    drawn = draw_item(SETTINGS, gather(SETTINGS.needs(scale), source), scale)
    table = drawn.tables["settings-srocc"]
    assert [row[0] for row in table.rows] == [
        "the paper's", *(f"learning rate {rate}" for rate in ("1e-3", "1e-5", "1e-2")),
        *(f"batch size {size}" for size in (4, 16, 32)),
        *(f"backbone's share of the learning rate {share}" for share in ("0", "0.01", "1")),
    ]  # fmt: skip
    by_setting = {row[0]: row[1:] for row in table.rows}
    assert by_setting["batch size 16"] == [None] * 5
    numbers = json.loads(numbers_json("settings", drawn))["agreement"]
    of_base = {
        one["options"]["seed"]: one["SROCC"]
        for one in numbers
        if one["loss"] == "mse"
        and one["options"].get("label_scale")
        and not one["options"].keys() & {"learning_rate", "batch_size", "ft_lr_ratio"}
    }
    assert by_setting["the paper's"][2] == mean_words(of_base, 2)
    assert "±" in by_setting["the paper's"][2]

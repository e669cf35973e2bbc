"""Oracles: the paper's runs written out by hand, and the command line that a run's words stand for."""

import dataclasses
import shlex
from pathlib import Path

import pytest

from linearityiqa.cli.parsing import parse
from linearityiqa.config import ReproduceConfig, TrainConfig, TransformConfig, run_folder
from linearityiqa.errors import ConfigError
from linearityiqa.reproduce.item import PredictionsNeed
from linearityiqa.reproduce.paper import Run, Scale
from linearityiqa.reproduce.reproduction import paper_command
from linearityiqa.reproduce.setup import ITEMS, Setup, chosen_items, database_name

PAPER = Setup(ReproduceConfig())


def job_of(setup: Setup, run: Run, *items: str):
    return next(job for job in setup.jobs([ITEMS[name] for name in items]) if job.run == run)


def test_the_defaults_are_the_papers():
    assert PAPER.scale == Scale()
    assert PAPER.scale.is_paper
    base = PAPER.train_config(Run())
    assert base == dataclasses.replace(TrainConfig(), transform=TransformConfig(resize=True))


def test_all_items_together_train_each_run_once():
    jobs = PAPER.jobs(ITEMS.values())
    assert len(jobs) == 103
    assert len({job.folder for job in jobs}) == 103


def test_the_command_of_the_paper_puts_a_run_where_it_is_looked_for():
    for job in PAPER.jobs(ITEMS.values()):
        words = shlex.split(paper_command(job))
        assert words[:2] == ["python", "main.py"]
        config = parse(TrainConfig, words[2:], prog="main.py")
        assert config == job.config
        assert run_folder(config) == job.folder


def test_a_run_logs_what_any_item_draws_from_it_but_is_tested_for_the_chosen_ones_only():
    job = job_of(PAPER, Run(), "tab1")
    assert job.config.run.test_during_training  # fig1 would need it
    assert job.config.run.log_bhat  # figA1 would
    assert not job.tests
    assert job.items == ("tab1",)
    job = job_of(PAPER, Run(), "tab1", "fig7")
    assert [(test.data.dataset, test.split) for test in job.tests] == [("CLIVE", "all")]
    assert not job_of(PAPER, Run(p=2.0), "tab1").config.run.test_during_training


def test_backbones_replace_each_items_own():
    def scale(*backbones: str) -> Scale:
        return Setup(ReproduceConfig(backbones=backbones)).scale

    one = scale("resnet18")
    assert {one.base, one.sweep, one.repeated} == {"resnet18"}
    assert one.backbones == one.plain == ("resnet18",)
    some = scale("resnet50", "vgg16", "resnext101_32x8d")
    assert (some.base, some.sweep, some.repeated) == ("resnext101_32x8d", "resnet50", "resnet50")
    assert some.backbones == ("resnet50", "resnext101_32x8d")
    assert some.plain == ("vgg16",)
    assert one.is_paper
    assert one.recipe


@pytest.mark.parametrize("change", [{"epochs": 2}, {"size": "64x64"}, {"seed": 1}, {"weights": "none"}])
def test_another_recipe_is_not_compared_with_the_paper(change):
    assert not Setup(ReproduceConfig(**change)).scale.is_paper


def test_without_a_second_database_the_test_set_stands_in_and_repetitions_split_at_random():
    setup = Setup(ReproduceConfig(dataset="photos/labels.csv"))
    assert setup.scale.tested_on == ("the test set of photos-labels", "the test set of photos-labels (again)")
    assert not any(job.tests for job in setup.jobs(ITEMS.values()))
    base = setup.scale.base_run()
    assert setup.is_own_test(PredictionsNeed(base, setup.scale.other_set))
    repeated = [job.config.data for job in setup.jobs([ITEMS["ttest"]]) if job.run.loss_type == "mae"]
    assert [data.exp_id for data in repeated] == list(range(10))
    assert all(data.resplit and data.dataset == "photos/labels.csv" for data in repeated)
    assert not setup.train_config(base).data.resplit


def test_a_second_database_is_tested_whole():
    images = Path("elsewhere")
    setup = Setup(ReproduceConfig(dataset="a/labels.csv", test_dataset="b/a/labels.csv", test_image_dir=images))
    assert setup.scale.other_set == "a-labels (other)"
    (test,) = job_of(setup, setup.scale.base_run(), "fig7").tests
    assert (test.data.dataset, test.data.image_dir, test.split) == ("b/a/labels.csv", images, "all")
    assert not test.data.resplit
    assert test.output.parent == setup.folder(setup.scale.base_run())
    training = setup.train_config(Run(dataset=setup.scale.repeated_set, exp_id=1)).data
    assert (training.dataset, training.resplit) == ("b/a/labels.csv", True)


def test_clive_keeps_its_repeated_splits():
    for config in (ReproduceConfig(), ReproduceConfig(dataset="CLIVE")):
        setup = Setup(config)
        data = setup.train_config(Run(dataset=setup.scale.repeated_set, exp_id=4)).data
        assert (data.dataset, data.exp_id, data.resplit) == ("CLIVE", 4, False)


def test_items_are_chosen_in_any_case_and_order_and_once():
    assert [item.name for item in chosen_items(["TTEST", "fig1", "figa2", "fig1"])] == ["fig1", "figA2", "ttest"]
    assert chosen_items(["all"]) == tuple(ITEMS.values())


@pytest.mark.parametrize("names", [["fig2"], ["fig1", "everything"], []])
def test_an_unknown_item_is_answered_with_the_list(names):
    with pytest.raises(
        ConfigError, match="fig1, fig4, fig5, fig6, fig7, tab1, tab2, figA1, figA2, tabA1, tabA2, ttest"
    ):
        chosen_items(names)


@pytest.mark.parametrize(
    "options",
    [
        {"size": "64"},
        {"size": "0x64"},
        {"size": "64x99999"},
        {"splits": 1},
        {"jobs": 0},
        {"epochs": 0},
        {"jobs": 2, "ray": "local"},
        {"from_dir": Path("x"), "dry_run": True},
        {"from_dir": Path("x"), "jobs": 2},
    ],
)
def test_options_that_cannot_mean_anything_are_refused(options):
    with pytest.raises(ConfigError):
        ReproduceConfig(**options)


def test_names_of_databases_are_fit_for_file_names():
    assert database_name("KonIQ-10k") == "KonIQ-10k"
    assert database_name("../x/my: photos/a b.csv") == "my_photos-a_b"

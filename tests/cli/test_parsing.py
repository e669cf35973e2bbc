"""Options of the paper's main.py: every long and short form and default, as the published scripts have them."""

from pathlib import Path

import pytest

import linearityiqa.config
from linearityiqa.cli import main, train
from linearityiqa.cli.commands import PROGRAMS
from linearityiqa.cli.parsing import options_for, parse, take_training_defaults
from linearityiqa.config import (
    RECIPES,
    LossConfig,
    MetricsConfig,
    ReproduceConfig,
    RunConfig,
    RunsConfig,
    ScoreConfig,
    TestConfig,
    TrainConfig,
    run_name,
)
from linearityiqa.errors import ConfigError

# (long, short, words of a value, where it ends up, its default) of the published main.py
OPTIONS = [
    ("--seed", None, ["7"], ("optimiser", "seed", 7), 19920517),
    ("--learning_rate", "-lr", ["0.5"], ("optimiser", "learning_rate", 0.5), 1e-4),
    ("--batch_size", "-bs", ["16"], ("optimiser", "batch_size", 16), 8),
    ("--ft_lr_ratio", "-flr", ["0"], ("optimiser", "ft_lr_ratio", 0.0), 0.1),
    ("--accumulation_steps", "-accum", ["2"], ("optimiser", "accumulation_steps", 2), 1),
    ("--epochs", "-e", ["3"], ("optimiser", "epochs", 3), 30),
    ("--weight_decay", "-wd", ["0.1"], ("optimiser", "weight_decay", 0.1), 0.0),
    ("--lr_decay", "-lrd", ["0.5"], ("optimiser", "lr_decay", 0.5), 0.1),
    ("--overall_lr_decay", "-olrd", ["0.5"], ("optimiser", "overall_lr_decay", 0.5), 0.01),
    ("--opt_level", "-optl", ["O0"], ("optimiser", "opt_level", "O0"), "O1"),
    ("--randomness", "-rn", [], ("optimiser", "randomness", True), False),
    ("--val_criterion", "-valc", ["RMSE"], ("optimiser", "val_criterion", "RMSE"), "SROCC"),
    ("--alpha", "-a", ["1", "0.1"], ("loss", "alpha", (1.0, 0.1)), (1.0, 0.0)),
    ("--beta", "-b", ["0", "0", "1"], ("loss", "beta", (0.0, 0.0, 1.0)), (0.1, 0.1, 1.0)),
    ("--architecture", "-arch", ["resnet18"], ("model", "architecture", "resnet18"), "resnext101_32x8d"),
    ("--arch", None, ["resnet18"], ("model", "architecture", "resnet18"), "resnext101_32x8d"),
    ("--pool", "-pl", ["std"], ("model", "pool", "std"), "avg"),
    ("--use_bn_end", "-ubne", [], ("model", "use_bn_end", True), False),
    ("--P6", "-P6", ["2"], ("model", "P6", 2), 1),
    ("--P7", "-P7", ["3"], ("model", "P7", 3), 1),
    ("--loss_type", "-lt", ["mse"], ("loss", "loss_type", "mse"), "norm-in-norm"),
    ("--p", "-p", ["2"], ("loss", "p", 2.0), 1.0),
    ("--q", "-q", ["1"], ("loss", "q", 1.0), 2.0),
    ("--detach", "-detach", [], ("loss", "detach", True), False),
    ("--monotonicity_regularization", "-monoreg", [], ("loss", "monotonicity_regularization", True), False),
    ("--gamma", "-g", ["0.2"], ("loss", "gamma", 0.2), 0.1),
    ("--dataset", "-ds", ["CLIVE"], ("data", "dataset", "CLIVE"), "KonIQ-10k"),
    ("--exp_id", "-eid", ["3"], ("data", "exp_id", 3), 0),
    ("--train_ratio", "-tr", ["0.5"], ("data", "train_ratio", 0.5), 0.6),
    ("--train_and_val_ratio", "-tvr", ["0.9"], ("data", "train_and_val_ratio", 0.9), 0.8),
    ("--resize", "-rs", [], ("transform", "resize", True), False),
    ("--resize_size_h", "-rs_h", ["256"], ("transform", "resize_size_h", 256), 498),
    ("--resize_size_w", "-rs_w", ["256"], ("transform", "resize_size_w", 256), 664),
    ("--augmentation", "-augment", [], ("augmentation", "augmentation", True), False),
    ("--angle", "-ag", ["5"], ("augmentation", "angle", 5.0), 2.0),
    ("--crop_size_h", "-cs_h", ["64"], ("augmentation", "crop_size_h", 64), 498),
    ("--crop_size_w", "-cs_w", ["64"], ("augmentation", "crop_size_w", 64), 498),
    ("--hflip_p", "-hp", ["0.1"], ("augmentation", "hflip_p", 0.1), 0.5),
    ("--test_during_training", "-tdt", [], ("run", "test_during_training", True), False),
    ("--evaluate", "-eval", [], ("run", "evaluate", True), False),
    ("--debug", "-debug", [], ("run", "debug", True), False),
    ("--pbar", "-pbar", [], ("run", "pbar", True), True),  # off in the published script
]


def parsed(*words: str) -> TrainConfig:
    return parse(TrainConfig, words, prog="main.py")


@pytest.mark.parametrize(("long", "short", "value", "place", "default"), OPTIONS, ids=[o[0] for o in OPTIONS])
def test_option_of_the_published_script(long, short, value, place, default) -> None:
    group, name, expected = place
    assert getattr(getattr(TrainConfig(), group), name) == default
    for form in filter(None, (long, short)):
        assert getattr(getattr(parsed(form, *value), group), name) == expected


def test_log_dir_in_both_forms() -> None:
    assert str(parsed("-logd", "here").run.log_dir) == str(parsed("--log_dir", "here").run.log_dir) == "here"


@pytest.mark.parametrize(("word", "hint"), [("--epcohs", " (did you mean --epochs?)"), ("--zzz", "")])
def test_an_unknown_option_is_answered_by_the_one_that_was_meant(word, hint) -> None:
    with pytest.raises(ConfigError) as refusal:
        parsed(word, "1")
    assert str(refusal.value) == f"main.py has no option {word}{hint}; main.py --help-all lists them"


@pytest.mark.parametrize(
    ("words", "databases", "folders"),
    [
        (["a.csv"], ("a.csv",), ()),
        (["a.csv", "b.csv", "--resize"], ("a.csv", "b.csv"), ()),
        (["--resize", "a.csv", "-e", "3", "b.csv"], ("a.csv", "b.csv"), ()),
        (["--alpha", "1", "0.1", "a.csv"], ("a.csv",), ()),
        (["a.csv", "--more_datasets", "KonIQ-10k"], ("a.csv", "KonIQ-10k"), ()),
        (["-ds", "a.csv", "b.csv", "--image-dir", "x", "y"], ("a.csv", "b.csv"), ("x", "y")),
        (["a.csv", "b.csv", "--image_dir=x", "y"], ("a.csv", "b.csv"), ("x", "y")),
        (["--image_dir", "x", "a.csv"], ("a.csv",), ("x",)),
        (["a.csv", "b.csv", "--more_datasets", "c.csv"], ("a.csv", "b.csv", "c.csv"), ()),
        (["-ds", "a.csv", "b.csv", "--more_datasets=c.csv"], ("a.csv", "b.csv", "c.csv"), ()),
        (["--no-pbar", "a.csv", "--scale", "-1", "1"], ("a.csv",), ()),
    ],
)
def test_databases_and_their_folders_are_named_with_and_without_options(words, databases, folders) -> None:
    data = parsed(*words).data
    assert (data.dataset, *data.more_datasets) == databases
    alone = list(data.one_by_one())
    assert [one.dataset for one in alone] == list(databases)
    assert [str(one.image_dir) for one in alone if one.image_dir] == list(folders)


@pytest.mark.parametrize("word", ["--dataset=b.csv", "-ds"])
def test_a_database_is_not_named_both_ways(word) -> None:
    with pytest.raises(ConfigError, match="both name a database"):
        parsed("a.csv", "--resize", word, "b.csv") if "=" not in word else parsed("a.csv", word)


def test_a_table_after_the_model_files_is_a_database() -> None:
    config = parse(TestConfig, ["--model", "a.onnx", "b.pth", "photos.csv", "CLIVE"], prog="test")
    assert [str(path) for path in config.trained_model_file] == ["a.onnx", "b.pth"]
    assert (config.data.dataset, config.data.more_datasets) == ("photos.csv", ("CLIVE",))


def test_every_database_has_its_folder_or_none() -> None:
    with pytest.raises(ConfigError, match="2 image folders are named for 3 databases"):
        parsed("a.csv", "b.csv", "c.csv", "--image_dir", "x", "y")


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        (["a.png", "--csv", "b.png"], ("a.png", "b.png")),
        (["a.png", "--worst", "1", "b.png"], ("a.png", "b.png")),
        (["--map", "maps", "a.png", "--no-json", "b.png", "--below=-1", "-"], ("a.png", "b.png", "-")),
        (["--csv", "--", "-x.png", "--csv"], ("-x.png", "--csv")),
    ],
)
def test_paths_and_options_mix_in_any_order(words, paths) -> None:
    assert parse(ScoreConfig, words, prog="linearityiqa score").paths == paths


def test_words_without_an_option_stand_anywhere_in_every_command() -> None:
    judged = parse(MetricsConfig, ["a.csv", "--by", "kind", "b.csv", "--json", "c.csv"], prog="linearityiqa metrics")
    assert [str(path) for path in judged.files] == ["a.csv", "b.csv", "c.csv"]
    items = parse(ReproduceConfig, ["fig1", "--jobs", "2", "losses"], prog="linearityiqa reproduce").items
    assert items == ("fig1", "losses")
    assert parse(RunsConfig, ["a", "--json", "b"], prog="linearityiqa runs").folders == (Path("a"), Path("b"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["score", "a.png", "--worst", "abc"], "--worst takes a whole number, got 'abc'"),
        (["score", "a.png", "--below", "abc"], "--below takes a number, got 'abc'"),
        (["score", "a.png", "--best", "3", "--worst", "3"], "--worst and --best exclude each other"),
        (["score", "a.png", "--csv", "--json"], "--json and --csv exclude each other"),
        (["score", "a.png", "--fast", "--model", "m.onnx"],
         "leave out --model, or make one of yours with linearityiqa export --int8"),
        (["score", "a.png", "--csv=yes"],
         "--csv is a switch and takes no value, got 'yes': --csv turns it on, --no_csv turns it off"),
        (["score", "--csv", "true", "a.png"],
         "--csv is a switch and takes no value, got 'true': --csv turns it on, --no_csv turns it off"),
        (["train", "a.csv", "--decode-reduced", "False"], "got 'False': --decode_reduced turns it on, "
         "--no_decode_reduced turns it off"),
        (["train", "a.csv", "--rank_weight", "0.5"], "rank_weight 0.5 weighs the order of degraded versions, and none "
         "are made: pass --augmentation --versions N with it, or leave it out"),
        (["score", "a.png", "--worst"], "--worst needs a value, got none"),
        (["score", "a.png", "--worst", "--csv"], "--worst needs a value, got none"),
        (["score", "a.png", "--sort", "size"], "sort must be one of input, score, name; got 'size'"),
        (["train", "--epochs", "0"], "epochs must be >= 1, got 0"),
        (["train", "--epochs", "many"], "--epochs takes a whole number, got 'many'"),
        (["train", "--lr_decay", "2"], "lr_decay must lie in (0, 1], got 2.0"),
        (["train", "--pool", "sum"], "pool must be one of avg, max, min, std, maxmin, mean-std; got 'sum'"),
        (["train", "--batch_size", "1"], "batch_size must be > 1 (with exact_accumulation, batch_size times "
         "accumulation_steps)"),
        (["train", "--resize", "-rs_h", "100", "--augmentation"], "the crop (498 x 498) must fit into the resized "
         "image (100 x 664)"),
        (["train", "--alpha", "1"], "--alpha needs 2 values, got 1"),
        (["test", "--model"], "--model needs a value, got none"),
        (["export", "a.pth"], "linearityiqa export takes nothing but options, got 'a.pth'; linearityiqa export --help "
         "lists them"),
    ],
)  # fmt: skip
def test_a_wrong_call_is_one_plain_sentence(words, sentence, capsys) -> None:
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.endswith(f"{sentence}\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", PROGRAMS.values(), ids=list(PROGRAMS))
def test_no_two_options_of_a_command_have_a_field_or_a_word_in_common(command) -> None:
    options = options_for(getattr(linearityiqa.config, command.config)())
    fields = [option.field for option in options]
    words = [word for option in options for word in option.all_words]
    assert len(set(fields)) == len(fields)
    assert len(set(words)) == len(words)


def test_testing_takes_all_of_clive_by_default() -> None:
    data = parse(TestConfig, [], prog="test_dataset.py").data
    assert (data.dataset, data.train_ratio, data.train_and_val_ratio) == ("CLIVE", 0.0, 0.0)


@pytest.mark.parametrize("content", ["not = [toml", "[loss]\nbogus = 1", "[loss]\np = 'one'", "loss = 3"])
def test_damaged_config_file_is_named(content, tmp_path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"config\.toml"):
        take_training_defaults(["--config", str(path)], TrainConfig())


@pytest.mark.parametrize("words", [["--recipe", "modern"], ["--recipe=modern"]])
def test_recipe_sets_options_and_words_beside_it_win(words) -> None:
    base = TrainConfig(run=RunConfig(json=True))
    config = parse(TrainConfig, [*words, "--schedule", "step", "-bs", "4"], prog="train", default=base)
    expected = {**RECIPES["modern"]["optimiser"], "schedule": "step", "batch_size": 4}
    assert {name: getattr(config.optimiser, name) for name in expected} == expected
    assert config.model.architecture == RECIPES["modern"]["model"]["architecture"]
    assert config.run.json


@pytest.mark.parametrize(
    "words",
    [
        ["--augmentation", "--versions", "2", "--rank_weight", "0.5"],
        ["--recipe", "modern", "--rank_weight", "0.5"],
        ["--recipe", "modern", "--versions", "0"],
        ["--init", "bundled", "--rank_weight", "0.5"],
    ],
)
def test_a_rank_weight_goes_with_versions_of_any_source(words) -> None:
    assert parsed(*words).loss.rank_weight == (0.5 if "--rank_weight" in words else LossConfig().rank_weight)


def test_paper_is_the_recipe_without_any_options() -> None:
    default, left = take_training_defaults(["--recipe", "paper"], TrainConfig())
    assert (default, left) == (TrainConfig(), [])
    modern, _ = take_training_defaults(["--recipe", "modern"], TrainConfig())
    assert run_name(modern) != run_name(TrainConfig())


@pytest.mark.parametrize(("words", "said"), [(["--recipe"], "needs a name"), (["--recipe", "new"], "paper, modern")])
def test_recipe_that_does_not_exist_is_refused(words, said) -> None:
    with pytest.raises(ConfigError, match=said):
        take_training_defaults(words, TrainConfig())


def test_recipe_and_file_exclude_each_other(tmp_path) -> None:
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(ConfigError, match="exclude each other"):
        take_training_defaults(["--config", str(tmp_path / "config.toml"), "--recipe", "modern"], TrainConfig())


@pytest.mark.parametrize("joined", [True, False])
def test_config_file_is_an_option_like_any_other(joined, tmp_path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[optimiser]\nbatch_size = 4\n")
    before = ["--config", str(tmp_path / "none.toml")]  # of several the last one counts
    words = [*before, *([f"--config={path}"] if joined else ["--config", str(path)]), "-e", "3"]
    default, left = take_training_defaults(words, TrainConfig())
    assert (default.optimiser.batch_size, left) == (4, ["-e", "3"])


@pytest.mark.parametrize("words", [["--config"], ["--config="], ["--config", "-e", "3"]])
def test_config_without_a_file_is_refused(words) -> None:
    with pytest.raises(ConfigError, match="needs the path"):
        take_training_defaults(words, TrainConfig())


def test_the_words_of_a_config_file_reach_the_run(tmp_path, monkeypatch) -> None:
    seen = []
    monkeypatch.setattr(train, "test_again", lambda config: seen.append(config) or 0)
    path = tmp_path / "config.toml"
    path.write_text("[optimiser]\nbatch_size = 4\nepochs = 2\n[run]\nevaluate = true\n")
    assert main(["train", f"--config={path}", "-e", "3", "--dataset=a.csv", "b.csv"]) == 0
    config = seen[0]
    assert (config.optimiser.batch_size, config.optimiser.epochs) == (4, 3)
    assert (config.data.dataset, config.data.more_datasets) == ("a.csv", ("b.csv",))

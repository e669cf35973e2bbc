"""Every command, and the paper's three scripts, with the texts of their help."""

from typing import NamedTuple

HELP_WORDS = ("-h", "--help", "--help-all", "--help_all")
"""Options that print the help; the last two print all of it."""


class Command(NamedTuple):
    """A command or a script, and the texts of its help."""

    summary: str  # its line in the list of commands
    function: str = ""  # MODULE.FUNCTION in `linearityiqa.cli`, which returns the exit status
    config: str = ""  # its configuration in `linearityiqa.config`: a name, so that a list of commands loads no options
    description: str = ""
    essentials: str = ""  # fields of the options that its help explains first
    examples: tuple[tuple[str, str], ...] = ()  # words after the command, and what they are for
    unlisted: str = ""  # fields of options that mean nothing to it, or that it only takes from another command
    note: str = ""  # a paragraph below the options


_ONE_DATABASE = "more_datasets more_image_dirs"
_TRAINING = (
    "init exact_accumulation schedule warmup_epochs clip_grad_norm ema_decay patience weights optimizer learning_rate "
    "ft_lr_ratio batch_size accumulation_steps epochs weight_decay lr_decay overall_lr_decay opt_level amp_dtype "
    "freeze_bn label_scale val_criterion randomness loss_type p q alpha beta detach monotonicity_regularization gamma "
    "rank_weight augmentation angle crop_size_h crop_size_w hflip_p turn_p scale_min versions"
)
_DESCRIBED = (
    "The options on the model describe a .pth file of the authors: files of ours know their network and transform."
)
_TRAIN = Command(
    "train a model on a database; resumes by itself after a stop",
    "train.train",
    "TrainConfig",
    "Train a model, and test its best epoch. The same command resumes where it stopped.",
    "dataset image_dir output epochs batch_size resize augmentation architecture init recipe loss_type device fresh "
    "config",
    (
        ("photos.csv --init bundled", "start from the model in the package"),
        ("photos.csv --resize -arch resnet18 -e 10", "a small network, from ImageNet's weights"),
        ("photos.csv KonIQ-10k --recipe modern", "on two databases at once"),
    ),
)
_TEST = Command(
    "test model files on a split of any database",
    "test.test",
    "TestConfig",
    "Test model files on a split of one database or of several: SROCC, PLCC, KROCC, RMSE and outlier ratio of each "
    "head, and a table across databases.",
    "trained_model_file dataset image_dir split output json resize device",
    (
        ("photos.csv --model bundled", "the model in the package"),
        ("a.csv b.csv --image_dir a/ b/ --model mine.safetensors", "on two databases, with their folders of images"),
        ("photos.csv --model old=a.onnx new=b.safetensors", "two models, with names"),
    ),
    _TRAINING,
    f"{_DESCRIBED} Where no --model is given, the options of train say which run is tested (linearityiqa train "
    "--help-all).",
)

COMMANDS = {
    "demo": Command(
        "the whole story in minutes: make data, train, test, plot, score",
        "reproduce.demo",
        "DemoConfig",
        "Make the built-in database, train with Norm-in-Norm, MSE, MAE and MSE on standardised labels under one "
        "budget, test and draw; then go on training the model in the package, and score a photograph and degraded "
        "copies of it. Needs no network and no GPU.",
        "output epochs images quiet",
        (
            ("", "everything, into the folder demo: minutes on a CPU"),
            ("--output /tmp/demo --epochs 10", "elsewhere, and trained for longer"),
            ("--json", "the figures for a program"),
        ),
    ),
    "train": _TRAIN,
    "test": _TEST,
    "crossval": Command(
        "train and test on several random splits by reference",
        "train.crossval",
        "CrossvalConfig",
        "Train and test on several random splits by reference: mean, median and spread of the figures, and paired "
        "tests against other cross-validations. Takes the options of train. The same command resumes where it stopped.",
        f"splits against {_TRAIN.essentials}",
        (
            ("photos.csv --resize -arch resnet18 --splits 5", "five random splits"),
            ("photos.csv --resize -arch resnet18 --splits 10", "and five more"),
            ("photos.csv --resize -lt mse --against runs/NAME", "another loss, compared on the same splits"),
        ),
        "exp_id evaluate",
    ),
    "metrics": Command(
        "judge predictions of any method, and compare several",
        "metrics.metrics",
        "MetricsConfig",
        "Judge predictions of any method: correlations, errors and mappings to MOS with bootstrap intervals; several "
        "files are compared, pair by pair, on the images that all of them have.",
        "labels output by figure image_dir json",
        (
            ("scores.csv --labels mos.csv", "the output of score, and people's opinions"),
            ("ours=a.csv theirs=b.csv --by distortion", "two methods, by name and kind of image"),
            ("runs/*/predictions.csv --output judged", "several runs, with a page of figures and tables"),
        ),
    ),
    "score": Command(
        "score photographs",
        "score.score",
        "ScoreConfig",
        "Score photographs: image files, folders, globs, or a list of paths on standard input (-).",
        "trained_model_file output csv json map report sort worst best uncertainty device fresh",
        (
            ("photo.jpg photos/", "a photograph, and all in a folder"),
            ("photos/ --output scores.csv", "into a file; after a stop the same command resumes"),
            ("photos/ --model mine.safetensors --map maps", "a model of your own, with maps"),
        ),
        note=_DESCRIBED,
    ),
    "serve": Command(
        "score photographs over HTTP, with a web page",
        "models.serve",
        "ServeConfig",
        "Score photographs over HTTP: a web page at /, the interface for programs at /v1, described at /docs. Nothing "
        "that is sent is written to disk. Stops with exit status 0 once all requests under way are answered.",
        "trained_model_file host port token_file device",
        (
            ("", "a page at http://127.0.0.1:8000/, for this machine"),
            ("--model mine.onnx --port 9000", "a model of your own"),
            ("--host 0.0.0.0 --token_file token", "for other machines that know the token"),
        ),
        note=_DESCRIBED,
    ),
    "reproduce": Command(
        "the paper's figures and tables, trained or from results",
        "reproduce.reproduce",
        "ReproduceConfig",
        "Reproduce figures and tables of the paper: train missing runs, draw, compare with the published numbers. "
        "Items: fig1 fig4 fig5 fig6 fig7 tab1 tab2 figA1 figA2 tabA1 tabA2 ttest, or all of these; and beyond the "
        "paper losses and settings, which ask what the scale of the labels does. Name them first. The same command "
        "resumes where it stopped.",
        "dataset image_dir output epochs dry_run from_dir jobs device",
        (
            ("all --dry_run", "what would be trained"),
            ("fig1 losses --jobs 2", "figure 1, and how much of it is the scale of the labels"),
            ("all --from LinearityIQA", "from the authors' results, without training"),
        ),
    ),
    "export": Command(
        "a trained model as ONNX, in float32 or 8 bits; runs without torch",
        "models.export",
        "ExportConfig",
        "Write a trained model as ONNX: it scores without torch, in float32 or 8 bits.",
        "trained_model_file output int8 calibration float16 with_map json",
        (
            ("--model runs/NAME/model.safetensors", "into the folder of the model file"),
            ("--model model.safetensors --output small.onnx --float16", "half the size"),
            ("--model model.safetensors --int8 --calibration photos/", "faster on a CPU"),
        ),
        note=_DESCRIBED,
    ),
    "datasets": Command("databases made, listed, checked, split, converted"),
    "runs": Command(
        "the runs in a folder: how far each is, and its figures",
        "runs.runs",
        "RunsConfig",
        "List the runs in a folder (and three levels of folders in it), the one that changed last at the end: state, "
        "database, network, best epoch, and the figures of the fused head.",
        examples=(
            ("", "the runs in the folder runs"),
            ("reproduced/runs", "those in another folder"),
            ("--json", "for a program"),
        ),
    ),
    "completion": Command("completion of commands and options in bash, zsh or fish"),
}
DATASETS = {
    "make": Command(
        "make the built-in synthetic database",
        "labels.make",
        "SyntheticConfig",
        "Make the built-in database: photographs and procedural scenes, distorted, with pseudo-labels from "
        "full-reference metrics (no human opinions). Needs no network. A second call finds it and makes nothing.",
        "output images quiet",
        (
            ("", "2000 images, into data/synthetic"),
            ("--output small --images 200", "fewer"),
            ("--output scenes --dead_leaves 200", "with more procedural scenes"),
        ),
    ),
    "list": Command(
        "the known databases: terms, where to get them, what is here",
        "datasets.list_known",
        "ListConfig",
        "List the databases that --dataset knows by name: size, scale, terms, official page, where they are looked "
        "for, and whether they are here. Nothing is downloaded.",
        examples=(
            ("", "for reading"),
            ("--json", "for a program"),
            ("| grep licence", "their terms"),
        ),
    ),
    "check": Command(
        "find what is wrong with a database, leaks above all",
        "datasets.check",
        "CheckConfig",
        "Check labels and images of a database, and find images that are the same as files, in pixels or to the eye: "
        "across splits that is a leak. Exit status 1 if anything is wrong; remarks are no errors.",
        "dataset image_dir listed near_duplicates json",
        (
            ("mos.csv", "labels and images"),
            ("mos.csv --image_dir photos/ --listed 0", "all findings"),
            ("mos.csv --no_near_duplicates", "without a search for similar images"),
        ),
        _ONE_DATABASE,
    ),
    "stats": Command(
        "histograms of scores, deviations and sizes",
        "datasets.stats",
        "StatsConfig",
        "Describe a database: images, references, splits, and how MOS, its standard deviation and the sizes of the "
        "images are distributed, over all images and over each split.",
        "dataset image_dir bins output json",
        (
            ("mos.csv", "figures and histograms"),
            ("mos.csv --no_images", "of the labels alone"),
            ("KonIQ-10k --output mos.png", "also as a picture"),
        ),
        _ONE_DATABASE,
    ),
    "split": Command(
        "split by reference, with similar MOS, into a CSV file",
        "labels.split",
        "SplitConfig",
        "Split a database at random by reference, so that the parts have similar MOS, and write it as a CSV file with "
        "a split column: by --train_ratio and --train_and_val_ratio, or into --folds. A split of its own is replaced; "
        "--val keeps its test set. --by_scene keeps near-duplicates together.",
        "dataset image_dir output by_scene val folds train_ratio train_and_val_ratio force",
        (
            ("mos.csv --output split.csv", "60, 20 and 20 per cent"),
            ("mos.csv --by_scene", "images of one scene stay together"),
            ("mos.csv --folds 5", "five splits, for each image to be tested once"),
        ),
        _ONE_DATABASE,
    ),
    "convert": Command(
        "a published layout or info.mat to CSV, CSV to info.mat",
        "labels.convert",
        "ConvertConfig",
        "Write the labels of a database as a CSV file, or as the info.mat of the LinearityIQA authors. --dataset names "
        "a known database, one of its label files, any info.mat, or a CSV file. Difference scores are inverted.",
        "dataset image_dir output force",
        (
            ("KonIQ-10k --output koniq.csv", "a published database as CSV"),
            ("data/CLIVEinfo.mat --output clive.csv", "the authors' file as CSV"),
            ("mos.csv --output info.mat", "a CSV file for the authors' software"),
        ),
        f"{_ONE_DATABASE} exif_rotation colour_profile resplit",
    ),
}
"""Subcommands of datasets."""
SCRIPTS = {
    "main.py": _TRAIN._replace(
        examples=(
            ("--resize -arch resnext101_32x8d -lt norm-in-norm -p 1 -q 2", "the paper's run"),
            ("--resize -arch resnet18 --loss_type mse", "a smaller network and another loss"),
            ("--resize -arch resnet18 --loss_type mse --evaluate", "test it once more"),
        ),
    ),
    "test_dataset.py": _TEST._replace(
        examples=(
            ("--dataset CLIVE --resize --alpha 1 0.1", "the run with these options, on CLIVE"),
            ("--resize --model checkpoints/p1q2.pth", "the authors' checkpoint, on CLIVE"),
            ("--dataset photos.csv --model model.safetensors", "a model file of ours"),
        ),
        unlisted="",
        note="",
    ),
    "test_demo.py": Command(
        "score one photograph",
        "score.score_one",
        "ScoreConfig",
        "Score one photograph, as the paper's test_demo.py does.",
        "img_path trained_model_file resize architecture device",
        (
            ("--img_path data/1000.JPG --resize", "the authors' checkpoint p1q2.pth"),
            ("--img_path photo.jpg --resize -modelfile p1q2plus0.1variant.pth", "the other one"),
            ("--img_path photo.jpg -modelfile model.safetensors", "a model file of ours"),
        ),
        "model_card json csv output fresh uncertainty map batch_size lanes max_megapixels ray pbar",
    ),
}
"""The paper's scripts."""
ALL = COMMANDS | {f"datasets {name}": command for name, command in DATASETS.items()}
"""Commands and subcommands, by the words after linearityiqa."""
PROGRAMS = {f"linearityiqa {words}": command for words, command in ALL.items() if command.config} | SCRIPTS
"""Everything that takes options, by the words before them."""

"""What the help of each command shows first, and its examples."""

from typing import NamedTuple


class Page(NamedTuple):
    """The help of a command beside its options.

    Attributes:
        essentials: names of the fields whose options come first, apart by blanks.
        examples: commands, and what each is for.
        unlisted: fields of options that mean nothing to this command, or that it only takes from another.
        note: a paragraph below the options.
    """

    essentials: str = ""
    examples: tuple[tuple[str, str], ...] = ()
    unlisted: str = ""
    note: str = ""


_ONE_DATABASE = "more_datasets more_image_dirs"
_TRAINING = (
    "init exact_accumulation schedule warmup_epochs clip_grad_norm ema_decay patience weights optimizer learning_rate "
    "ft_lr_ratio batch_size accumulation_steps epochs weight_decay lr_decay overall_lr_decay opt_level amp_dtype "
    "freeze_bn label_scale val_criterion randomness loss_type p q alpha beta detach monotonicity_regularization gamma "
    "augmentation angle crop_size_h crop_size_w hflip_p turn_p scale_min"
)

_TRAIN = (
    "dataset image_dir output epochs batch_size resize augmentation architecture init recipe loss_type device fresh "
    "config"
)
_DESCRIBED = (
    "The options on the model describe a .pth file of the authors: files of ours know their network and transform."
)
_TEST = "trained_model_file dataset image_dir split output json resize device"

PAGES = {
    "linearityiqa demo": Page(
        "output epochs images quiet",
        (
            ("linearityiqa demo", "everything, into the folder demo: minutes on a CPU"),
            ("linearityiqa demo --output /tmp/demo --epochs 10", "elsewhere, and trained for longer"),
            ("linearityiqa demo --json", "the figures for a program"),
        ),
    ),
    "linearityiqa train": Page(
        _TRAIN,
        (
            ("linearityiqa train photos.csv --init bundled", "start from the model in the package"),
            ("linearityiqa train photos.csv --resize -arch resnet18 -e 10", "a small network, from ImageNet's weights"),
            ("linearityiqa train photos.csv KonIQ-10k --recipe modern", "on two databases at once"),
        ),
    ),
    "linearityiqa test": Page(
        _TEST,
        (
            ("linearityiqa test photos.csv --model bundled", "the model in the package"),
            (
                "linearityiqa test a.csv b.csv --image_dir a/ b/ --model mine.safetensors",
                "on two databases, with their folders of images",
            ),
            (
                "linearityiqa test photos.csv --model old=a.onnx new=b.safetensors",
                "two models, under names of their own",
            ),
        ),
        _TRAINING,
        f"{_DESCRIBED} Where no --model is given, the options of train say which run is tested (linearityiqa train "
        "--help-all).",
    ),
    "linearityiqa crossval": Page(
        f"splits against {_TRAIN}",
        (
            ("linearityiqa crossval photos.csv --resize -arch resnet18 --splits 5", "five random splits"),
            ("linearityiqa crossval photos.csv --resize -arch resnet18 --splits 10", "and five more"),
            (
                "linearityiqa crossval photos.csv --resize -lt mse --against runs/NAME",
                "another loss, compared on the same splits",
            ),
        ),
        "exp_id evaluate",
    ),
    "linearityiqa metrics": Page(
        "labels output by figure image_dir json",
        (
            ("linearityiqa metrics scores.csv --labels mos.csv", "what score has written, beside people's opinions"),
            ("linearityiqa metrics ours=a.csv theirs=b.csv --by distortion", "two methods, by name and kind of image"),
            (
                "linearityiqa metrics runs/*/predictions.csv --output judged",
                "several runs, with a page of figures and tables",
            ),
        ),
    ),
    "linearityiqa score": Page(
        "trained_model_file output csv json map report sort worst best uncertainty device fresh",
        (
            ("linearityiqa score photo.jpg photos/", "a photograph, and all in a folder"),
            ("linearityiqa score photos/ --output scores.csv", "into a file; after a stop the same command resumes"),
            ("linearityiqa score photos/ --model mine.safetensors --map maps", "a model of your own, with maps"),
        ),
        note=_DESCRIBED,
    ),
    "linearityiqa serve": Page(
        "trained_model_file host port token_file device",
        (
            ("linearityiqa serve", "a page at http://127.0.0.1:8000/, for this machine"),
            ("linearityiqa serve --model mine.onnx --port 9000", "a model of your own"),
            ("linearityiqa serve --host 0.0.0.0 --token_file token", "for other machines that know the token"),
        ),
        note=_DESCRIBED,
    ),
    "linearityiqa reproduce": Page(
        "dataset image_dir output epochs dry_run from_dir jobs device",
        (
            ("linearityiqa reproduce all --dry_run", "what would be trained"),
            ("linearityiqa reproduce fig4 tab1 --jobs 2", "a figure and a table, two runs at a time"),
            ("linearityiqa reproduce all --from LinearityIQA", "from the authors' results, without training"),
        ),
    ),
    "linearityiqa export": Page(
        "trained_model_file output int8 calibration float16 with_map json",
        (
            ("linearityiqa export --model runs/NAME/model.safetensors", "beside the model file"),
            ("linearityiqa export --model model.safetensors --output small.onnx --float16", "half the size"),
            ("linearityiqa export --model model.safetensors --int8 --calibration photos/", "faster on a CPU"),
        ),
        note=_DESCRIBED,
    ),
    "linearityiqa runs": Page(
        "",
        (
            ("linearityiqa runs", "the runs in the folder runs"),
            ("linearityiqa runs reproduced/runs", "those in another folder"),
            ("linearityiqa runs --json", "for a program"),
        ),
    ),
    "linearityiqa datasets make": Page(
        "output images references distortions levels quiet",
        (
            ("linearityiqa datasets make", "2000 images, into data/synthetic"),
            ("linearityiqa datasets make --output small --images 200", "fewer"),
            ("linearityiqa datasets make --references photos/ --output graded", "versions of your own photographs"),
        ),
    ),
    "linearityiqa datasets list": Page(
        "",
        (
            ("linearityiqa datasets list", "for reading"),
            ("linearityiqa datasets list --json", "for a program"),
            ("linearityiqa datasets list | grep licence", "their terms"),
        ),
    ),
    "linearityiqa datasets check": Page(
        "dataset image_dir listed near_duplicates json",
        (
            ("linearityiqa datasets check mos.csv", "labels and images"),
            ("linearityiqa datasets check mos.csv --image_dir photos/ --listed 0", "all findings"),
            ("linearityiqa datasets check mos.csv --no_near_duplicates", "without a search for images that look alike"),
        ),
        _ONE_DATABASE,
    ),
    "linearityiqa datasets stats": Page(
        "dataset image_dir bins output json",
        (
            ("linearityiqa datasets stats mos.csv", "figures and histograms"),
            ("linearityiqa datasets stats mos.csv --no_images", "of the labels alone"),
            ("linearityiqa datasets stats KonIQ-10k --output mos.png", "also as a picture"),
        ),
        _ONE_DATABASE,
    ),
    "linearityiqa datasets split": Page(
        "dataset image_dir output by_scene val folds train_ratio train_and_val_ratio force",
        (
            ("linearityiqa datasets split mos.csv --output split.csv", "60, 20 and 20 per cent"),
            ("linearityiqa datasets split mos.csv --by_scene", "images of one scene stay together"),
            ("linearityiqa datasets split mos.csv --folds 5", "five splits, for each image to be tested once"),
        ),
        _ONE_DATABASE,
    ),
    "linearityiqa datasets convert": Page(
        "dataset image_dir output force",
        (
            ("linearityiqa datasets convert KonIQ-10k --output koniq.csv", "a published database as CSV"),
            ("linearityiqa datasets convert data/CLIVEinfo.mat --output clive.csv", "the authors' file as CSV"),
            ("linearityiqa datasets convert mos.csv --output info.mat", "a CSV file for the authors' software"),
        ),
        f"{_ONE_DATABASE} exif_rotation colour_profile resplit",
    ),
    "main.py": Page(
        _TRAIN,
        (
            ("python main.py --resize -arch resnext101_32x8d -lt norm-in-norm -p 1 -q 2", "the paper's run"),
            ("python main.py --resize -arch resnet18 --loss_type mse", "a smaller network and another loss"),
            ("python main.py --resize -arch resnet18 --loss_type mse --evaluate", "test it once more"),
        ),
    ),
    "test_dataset.py": Page(
        _TEST,
        (
            ("python test_dataset.py --dataset CLIVE --resize --alpha 1 0.1", "the run with these options, on CLIVE"),
            ("python test_dataset.py --resize --model checkpoints/p1q2.pth", "the authors' checkpoint, on CLIVE"),
            ("python test_dataset.py --dataset photos.csv --model model.safetensors", "a model file of ours"),
        ),
    ),
    "test_demo.py": Page(
        "img_path trained_model_file resize architecture device",
        (
            ("python test_demo.py --img_path data/1000.JPG --resize", "the authors' checkpoint p1q2.pth"),
            ("python test_demo.py --img_path photo.jpg --resize -modelfile p1q2plus0.1variant.pth", "the other one"),
            ("python test_demo.py --img_path photo.jpg -modelfile model.safetensors", "a model file of ours"),
        ),
        "model_card json csv output fresh uncertainty map batch_size lanes max_megapixels ray pbar",
    ),
}
"""By the command, as it is called."""

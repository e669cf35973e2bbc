"""Oracle: a sound database in which nothing is found, and one fault of each kind planted in a copy."""

import csv
import io
import re
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from linearityiqa import machine
from linearityiqa.config import CheckConfig, DataConfig
from linearityiqa.data.checks import audit
from linearityiqa.errors import DataError
from pictures import CHANGES, make_picture
from releases import make_kadid, make_live

COUNT = 24
SPLITS = ["train"] * 16 + ["val"] * 4 + ["test"] * 4


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A folder with 24 pictures, each of its own, and labels.csv."""
    folder = tmp_path_factory.mktemp("sound")
    (folder / "images").mkdir()
    for number in range(COUNT):
        make_picture(number, (96, 128)).save(folder / "images" / f"{number:02d}.png")
    write(folder, rows())
    return folder


@pytest.fixture
def copy(sound, tmp_path):
    """A copy of it to be spoilt."""
    shutil.copytree(sound, tmp_path / "copy")
    return tmp_path / "copy"


def rows():
    return [
        {
            "image_name": f"{number:02d}.png",
            "mos": f"{1 + 4 * number / COUNT:.3f}",
            "mos_std": "0.7",
            "split": SPLITS[number],
            "reference": f"scene{number}",
        }
        for number in range(COUNT)
    ]


def write(folder, table):
    with (folder / "labels.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, list(table[0]))
        writer.writeheader()
        writer.writerows(table)


def check(folder, scale=None, **options):
    data = DataConfig(dataset=str(folder / "labels.csv"), scale=scale)
    config = CheckConfig(data=data, num_workers=0, quiet=True, **options)
    return audit(config)


def kinds(report):
    return Counter(finding.kind for finding in report.findings)


def only(report):
    """The one finding of a report."""
    assert len(report.findings) == 1, [finding.message for finding in report.findings]
    return report.findings[0]


def add(folder, name, image, split="train", mos="3", **options):
    image.save(folder / "images" / name, **options)
    row = {"image_name": name, "mos": mos, "mos_std": "0.7", "split": split, "reference": f"scene of {name}"}
    write(folder, [*rows(), row])


def test_nothing_is_invented(sound):
    report = check(sound)
    assert report.findings == ()
    assert (report.images, report.splits) == (COUNT, {"train": 16, "val": 4, "test": 4})
    assert report.folder == sound / "images"
    assert report.as_dict()["errors"] == 0


def test_processes_find_the_same(copy, monkeypatch):
    started, start = [], machine.start_processes
    monkeypatch.setattr(machine, "ITEMS_WORTH_A_PROCESS", 8)
    monkeypatch.setattr(machine, "start_processes", lambda count, **more: started.append(count) or start(count, **more))
    shutil.copy(copy / "images" / "00.png", copy / "images" / "20.png")
    config = CheckConfig(data=DataConfig(dataset=str(copy / "labels.csv")), num_workers=2, quiet=True)
    assert audit(config).findings == check(copy).findings
    assert started == [2]


LABEL_FAULTS = {
    "number": ({"mos": "good"}, r"line 4: mos is 'good'"),
    "number, empty": ({"mos": ""}, r"line 4: mos is empty"),
    "number, nan": ({"mos_std": "nan"}, r"line 4: mos_std is 'nan'"),
    "number, negative": ({"mos_std": "-1"}, r"line 4: the standard deviation of MOS of 02\.png is -1"),
    "scale": ({"mos": "45"}, r"line 4: the score of 02\.png is 45, but 90 % of the scores are in 1"),
    "deviation": ({"mos_std": "70"}, r"line 4: the standard deviation of 02\.png is 70, but ratings on a scale"),
    "split": ({"split": "dev"}, r"line 4: split is 'dev'"),
    "reference": ({"reference": ""}, r"line 4: reference is empty"),
    "straddling": ({"reference": "scene23"}, r"reference 'scene23' has images in the train and in the test split"),
    "missing": ({"image_name": "gone.png"}, r"there is no .*gone\.png"),
    "name": ({"image_name": "../02.png"}, r"line 4: image name '\.\./02\.png' leads out"),
    "name, none": ({"image_name": ""}, r"line 4: '' is no image name"),
    "listed-twice": ({"image_name": "./03.png"}, r"line 5: image '03\.png' was already listed \(.*line 4\)"),
}


@pytest.mark.parametrize(("kind", "fault"), LABEL_FAULTS.items(), ids=LABEL_FAULTS)
def test_a_fault_in_the_labels(copy, kind, fault):
    changes, sentence = fault
    table = rows()
    table[2] |= changes
    write(copy, table)
    (copy / "images" / "02.png").unlink(missing_ok="image_name" in changes)
    if "image_name" not in changes:
        make_picture(2, (96, 128)).save(copy / "images" / "02.png")
    finding = only(check(copy))
    assert finding.kind == kind.partition(",")[0]
    assert finding.severity == "error"
    assert re.search(sentence, finding.message), finding.message


def test_a_row_of_the_wrong_length_is_left_out(copy):
    text = (copy / "labels.csv").read_text().splitlines()
    text[3] += ",more"
    (copy / "labels.csv").write_text("\n".join(text))
    report = check(copy)
    assert kinds(report) == {"row": 1, "unlisted": 1}
    assert "line 4: 6 values for 5 columns" in report.errors[0].message
    assert report.images == COUNT - 1


def test_scores_that_are_all_the_same(copy):
    write(copy, [row | {"mos": "3"} for row in rows()])
    assert "there is no quality to tell apart" in only(check(copy)).message


def test_a_stated_scale(sound):
    report = check(sound, scale=(1, 4.5))
    assert {finding.images for finding in report.findings} == {
        (row["image_name"],) for row in rows() if float(row["mos"]) > 4.5
    }
    assert kinds(report) == {"scale": sum(float(row["mos"]) > 4.5 for row in rows())}


def test_deviations_of_another_scale_are_remarked_on(copy):
    write(copy, [row | {"mos": str(20 * float(row["mos"])), "mos_std": "0.5"} for row in rows()])
    finding = only(check(copy))
    assert (finding.kind, finding.severity) == ("deviation", "remark")


def test_splits_too_small_for_a_correlation(copy):
    table = rows()
    for row in table[16:23]:
        row["split"] = "train"
    write(copy, table)
    report = check(copy)
    assert kinds(report) == {"split-size": 2}
    assert [finding.severity for finding in report.findings] == ["error", "remark"]


def test_a_truncated_and_an_unreadable_image(copy):
    content = (copy / "images" / "03.png").read_bytes()
    (copy / "images" / "03.png").write_bytes(content[: len(content) // 2])
    (copy / "images" / "04.png").write_bytes(b"not an image")
    stream = io.BytesIO()
    make_picture(5, (96, 128)).save(stream, "JPEG", quality=95)
    add(copy, "cut.png", make_picture(50, (96, 128)))
    (copy / "images" / "cut.png").write_bytes(stream.getvalue()[:-3000])  # a JPEG in spite of its name
    report = check(copy)
    assert kinds(report) == {"truncated": 2, "unreadable": 1}
    assert {finding.images for finding in report.errors} == {("03.png",), ("04.png",), ("cut.png",)}


def test_a_jpeg_that_lost_data_behind_a_sound_end(copy):
    """Pillow decodes both without a word; the lost part is grey."""
    stream = io.BytesIO()
    make_picture(5, (96, 128)).save(stream, "JPEG", quality=95)
    content = stream.getvalue()
    add(copy, "cut.jpg", make_picture(50, (96, 128)))
    (copy / "images" / "cut.jpg").write_bytes(content[: len(content) // 2] + b"\xff\xd9")
    assert only(check(copy)).kind == "truncated"
    (copy / "images" / "cut.jpg").write_bytes(content[:-2] + b"Z" * 99 + b"\xff\xd9")
    assert only(check(copy)).kind == "unreadable"


def test_an_animation_is_unreadable(copy):
    frames = [make_picture(number, (96, 128)).convert("P") for number in (60, 61)]
    add(copy, "moving.gif", frames[0], save_all=True, append_images=frames[1:])
    assert "animated" in only(check(copy)).message


def test_an_image_of_one_colour(copy):
    add(copy, "blank.png", Image.new("RGB", (128, 96), (10, 20, 30)))
    assert only(check(copy)).kind == "constant"


@pytest.mark.parametrize(("split", "leak"), [("test", True), ("train", False)])
def test_a_copied_file(copy, split, leak):
    add(copy, "copy.png", make_picture(1), split, mos=rows()[1]["mos"])
    shutil.copy(copy / "images" / "01.png", copy / "images" / "copy.png")
    finding = only(check(copy))
    assert (finding.kind, finding.severity, finding.leak) == ("identical-files", "error", leak)
    assert finding.images == ("01.png", "copy.png")


def test_identical_pixels_in_different_files_and_their_scores(copy):
    add(copy, "copy.bmp", make_picture(1, (96, 128)), "test", mos="4.9")
    report = check(copy)
    assert kinds(report) == {"identical-pixels": 1, "conflict": 1}
    assert "scores 1.167, 4.9 for the same image" in report.errors[1].message


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_in_another_split_is_a_leak(copy, change):
    add(copy, "copy.png", CHANGES[change](make_picture(1, (96, 128))), "test")
    leaks = [finding for finding in check(copy).findings if finding.severity == "error"]
    assert [(finding.kind, finding.leak, finding.images) for finding in leaks] == [
        ("near-duplicates", True, ("01.png", "copy.png"))
    ]
    assert ("mirrored" in leaks[0].message) == (change == "mirrored")


def test_a_changed_copy_in_the_same_split_is_a_remark(copy):
    add(copy, "copy.png", CHANGES["recompressed"](make_picture(1, (96, 128))))
    finding = only(check(copy))
    assert (finding.kind, finding.severity, finding.leak) == ("near-duplicates", "remark", False)
    assert not check(copy, near_duplicates=False).findings


def test_without_a_split_a_changed_copy_is_an_error(copy):
    add(copy, "copy.png", CHANGES["recompressed"](make_picture(1, (96, 128))))
    table = [*rows(), {"image_name": "copy.png", "mos": "3", "reference": "scene24"}]
    write(copy, [{key: row[key] for key in ("image_name", "mos", "reference")} for row in table])
    assert "Give them one reference" in only(check(copy)).message
    table[-1]["reference"] = "scene1"  # then they are known to belong together
    write(copy, [{key: row[key] for key in ("image_name", "mos", "reference")} for row in table])
    assert not check(copy).findings


def test_copies_of_a_file_and_changed_copies_are_one_leak(copy):
    changed = CHANGES["half"](make_picture(1, (96, 128)))
    for name in ("a.png", "b.png"):
        changed.save(copy / "images" / name)
    fields = {"mos": "3", "mos_std": "0.7"}
    more = [{"image_name": f"{name}.png", **fields, "split": split, "reference": name} for name, split in ("at", "bt")]
    more[0]["split"], more[1]["split"] = "train", "test"
    write(copy, [*rows(), *more])
    report = check(copy)
    assert [(finding.kind, finding.leak, finding.images) for finding in report.errors] == [
        ("identical-files", True, ("a.png", "b.png")),
        ("near-duplicates", True, ("01.png", "a.png", "b.png")),
    ]


def test_what_is_unusual_is_remarked_on(copy):
    exif = Image.Exif()
    exif[0x0112] = 6
    odd = {
        "turned.jpg": (make_picture(70, (128, 96)), {"exif": exif}),
        "grey.png": (make_picture(71, (96, 128)).convert("L"), {}),
        "cmyk.jpg": (make_picture(72, (96, 128)).convert("CMYK"), {}),
        "clear.png": (make_picture(73, (96, 128)).convert("RGBA"), {}),
        "deep.png": (Image.fromarray(np.arange(96 * 128, dtype=np.uint16).reshape(96, 128) * 5), {}),
        "small.png": (make_picture(74, (48, 60)), {}),
        "jpeg.png": (make_picture(75, (96, 128)), {"format": "JPEG"}),
    }
    odd["clear.png"][0].putpixel((3, 4), (1, 2, 3, 0))
    fields = {"mos": "3", "mos_std": "0.7", "split": "train"}
    for name, (image, options) in odd.items():
        image.save(copy / "images" / name, **options)
    write(copy, [*rows(), *({"image_name": name, **fields, "reference": name} for name in odd)])
    make_picture(90).save(copy / "images" / "unlisted.png")
    report = check(copy)
    assert not report.errors
    found = {(finding.kind, finding.images) for finding in report.remarks}
    assert found == {
        ("orientation", ("turned.jpg",)),
        ("mode", ("grey.png",)),
        ("mode", ("cmyk.jpg",)),
        ("mode", ("clear.png",)),
        ("mode", ("deep.png",)),
        ("size", ("turned.jpg", "small.png")),
        ("format", ("jpeg.png",)),
        ("unlisted", ("unlisted.png",)),
    }


def test_many_faults_at_once_are_all_found(copy):
    table = rows()
    table[0]["mos"], table[1]["split"], table[5]["reference"] = "bad", "dev", "scene23"
    write(copy, table)
    (copy / "images" / "07.png").unlink()
    (copy / "images" / "08.png").write_bytes(b"")
    shutil.copy(copy / "images" / "09.png", copy / "images" / "22.png")
    assert kinds(check(copy)) == {
        "number": 1, "split": 1, "straddling": 1, "missing": 1, "unreadable": 1, "identical-files": 1, "conflict": 1
    }  # fmt: skip


def test_no_images_at_all(copy):
    shutil.rmtree(copy / "images")
    assert kinds(check(copy)) == {"missing": COUNT}


def test_what_is_no_label_file_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("name,score\na,1\n")
    with pytest.raises(DataError, match=r"no column image_name|lists 1 image"):
        check(tmp_path)


def test_distorted_versions_of_one_reference_are_no_duplicates(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_kadid(Path("KADID-10k"))
    report = audit(CheckConfig(data=DataConfig(dataset="KADID-10k"), num_workers=0, quiet=True))
    assert kinds(report)["identical-files"] + kinds(report)["near-duplicates"] <= 3  # of the two references' images
    assert "unlisted" in kinds(report)  # the references lie among the images


def test_a_published_database_is_held_against_its_scale(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = make_kadid(Path("KADID-10k"))
    path.write_text(path.read_text().replace(",4.80,", ",5.80,"))
    report = audit(CheckConfig(data=DataConfig(dataset="KADID-10k"), num_workers=0, quiet=True, near_duplicates=False))
    assert next(f.message for f in report.errors if f.kind == "scale").endswith(
        "the scale is 1..5. Correct or drop the row."
    )


def test_real_photographs(real_data, tmp_path):
    """Oracle: photographs without a fault, of different scenes (looked at), and copies of them planted here."""
    source = real_data / "biq2021"
    with (source / "mos.csv").open() as stream:
        table = [row for row in csv.DictReader(stream) if row["image_name"].startswith("ss03")][:60]
    (tmp_path / "images").mkdir()
    for row in table:
        (tmp_path / "images" / row["image_name"]).symlink_to(source / "images" / row["image_name"])
    write(tmp_path, table)
    assert not check(tmp_path).errors
    split = {"train": "test", "val": "train", "test": "train"}
    planted = []
    for number, change in enumerate(CHANGES):
        row = table[number]
        name = f"{change}.jpg"
        with Image.open(source / "images" / row["image_name"]) as image:
            CHANGES[change](image.convert("RGB")).save(tmp_path / "images" / name, quality=90)
        planted.append({"image_name": name, "mos": row["mos"], "split": split[row["split"]]})
    write(tmp_path, [*table, *planted])
    report = check(tmp_path)
    expected = {
        frozenset((row["image_name"], copied["image_name"])) for row, copied in zip(table, planted, strict=False)
    }
    assert {frozenset(finding.images) for finding in report.errors} == expected
    assert all(finding.leak for finding in report.errors)


def test_live_scores_beyond_the_nominal_scale_are_no_errors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_live(Path("LIVE"))
    report = audit(CheckConfig(data=DataConfig(dataset="LIVE"), num_workers=0, quiet=True, near_duplicates=False))
    assert set(kinds(report)) == {"unreadable", "unlisted"}  # its image files are empty here

"""Oracle: generated copies of the releases, whose values are known."""

import numpy as np
import pytest
import scipy.io

import releases
from linearityiqa.config import DataConfig
from linearityiqa.data.databases.imagefiles import find_images
from linearityiqa.data.databases.opening import open_database
from linearityiqa.data.databases.published.distorted import (
    KADID_DISTORTIONS,
    TID_DISTORTIONS,
    read_csiq,
    read_kadid,
    read_live,
    read_tid2013,
)
from linearityiqa.errors import DataError

MAKERS = {
    "KADID-10k": (releases.make_kadid, 20),
    "TID2013": (releases.make_tid, 20),
    "SPAQ": (releases.make_spaq, 6),
    "LIVE": (releases.make_live, 982 - 197),
    "CSIQ": (releases.make_csiq, 6),
    "BIQ2021": (releases.make_biq, 12),
}


@pytest.mark.parametrize("how", ["link", "image_dir"])
@pytest.mark.parametrize("name", MAKERS)
def test_every_release_opens_by_its_name(name, how, tmp_path, here):
    make, count = MAKERS[name]
    release = tmp_path / "downloads" / "release"
    release.mkdir(parents=True)
    make(release)
    image_dir = None if how == "link" else release
    if how == "link":
        (here / name).symlink_to(release)
    database = open_database(DataConfig(dataset=name, image_dir=image_dir), seed=0)
    assert len(database.table) == count
    assert all(database.table.path(row).is_file() for row in range(count))
    assert database.scale.contains(database.table.mos.min())
    assert database.scale.contains(database.table.mos.max())


def test_the_distortions_are_as_many_as_published():
    assert (len(set(KADID_DISTORTIONS.values())), len(set(TID_DISTORTIONS.values()))) == (25, 24)


def test_kadid(tmp_path):
    """Its "dmos" is higher for better images, and its "var" holds standard deviations."""
    labels = read_kadid(releases.make_kadid(tmp_path))
    assert labels.names[0] == "I01_01_01.png"
    assert labels.mos[0] == 4.8
    assert labels.mos[0] == labels.mos.max()
    assert (labels.mos_std == 0.496).all()
    assert labels.references == ("I01.png",) * 10 + ("I02.png",) * 10
    assert labels.others["distortion"][4:6] == ("gaussian blur", "contrast change")
    assert labels.others["level"][:6] == ("1", "2", "3", "4", "5", "1")


def test_tid(tmp_path):
    labels = read_tid2013(releases.make_tid(tmp_path))
    _, on_disk = find_images(labels, [tmp_path / "distorted_images"], "")
    assert on_disk[:4] == ("I01_01_1.bmp", "I01_01_2.bmp", "I01_01_3.bmp", "I01_01_4.BMP")
    assert labels.references == ("I01",) * 10 + ("I25",) * 10
    assert labels.mos[:2].tolist() == [5.9, 5.7]
    assert labels.mos_std[:2].tolist() == [0.1, 0.11]
    assert labels.others["distortion"][9:11] == ("sparse sampling and reconstruction", "additive gaussian noise")
    assert labels.others["level"][4] == "5"


def test_tid_wants_as_many_deviations(tmp_path):
    path = releases.make_tid(tmp_path)
    (tmp_path / "mos_std.txt").write_text("0.1\n0.2\n")
    with pytest.raises(DataError, match=r"has 20 scores, but mos_std\.txt 2 standard deviations"):
        read_tid2013(path)
    (tmp_path / "mos_std.txt").unlink()
    with pytest.raises(DataError, match=r"no label file .*mos_std\.txt"):
        read_tid2013(path)


def test_a_line_of_too_many_words(tmp_path):
    path = releases.make_tid(tmp_path)
    path.write_text(path.read_text() + "5.1 I01_01_1.bmp again\n")
    with pytest.raises(DataError, match=r"line 21: 3 values for 2 columns. Each line has mos image_name"):
        read_tid2013(path)


def test_live_leaves_the_originals_out_and_inverts(tmp_path):
    path = releases.make_live(tmp_path)
    labels = read_live(path)
    stored = scipy.io.loadmat(path)
    rated = stored["orgs"][0] == 0
    assert len(labels.names) == rated.sum()
    assert np.array_equal(labels.mos, 100 - stored["dmos_new"][0, rated])
    assert (labels.mos_std == 4.5).all()
    assert "inverted as 100 - DMOS" in labels.scale.note
    assert labels.scale.low == labels.mos.min() < 0
    first_jpeg = labels.names.index("jpeg/img1.bmp")
    assert labels.others["distortion"][first_jpeg] == "jpeg"
    assert labels.references[first_jpeg] == f"scene{227 % 29}.bmp"
    assert labels.names[-1] == "fastfading/img174.bmp"


def test_live_without_the_realigned_scores(tmp_path):
    labels = read_live(releases.make_live(tmp_path).with_name("dmos.mat"))
    assert labels.mos_std is None
    assert labels.mos.max() == pytest.approx(100 - 0.9 * (3 + 108.5 / 981))


def test_live_of_another_length(tmp_path):
    path = releases.make_live(tmp_path)
    scipy.io.savemat(path, {"dmos_new": np.ones((1, 7)), "dmos_std": np.ones((1, 7)), "orgs": np.zeros((1, 7))})
    with pytest.raises(DataError, match="has 982 scores, marks of originals and reference names; here are 7, 982"):
        read_live(path)


def test_csiq_workbook_and_text_files_agree(tmp_path):
    path = releases.make_csiq(tmp_path)
    labels = read_csiq(path)
    assert labels.names == tuple(row[6] for row in releases.CSIQ_ROWS)
    assert labels.mos == pytest.approx([1 - row[5] for row in releases.CSIQ_ROWS])
    assert labels.mos_std.tolist() == [row[4] for row in releases.CSIQ_ROWS]
    assert labels.references == ("1600",) * 3 + ("aerial_city",) * 3
    assert labels.others["distortion"][2] == "jpeg2000"
    assert "inverted as 1 - DMOS" in labels.scale.note
    short = tmp_path / "csiq_label.txt"
    short.write_text("".join(f"{row[6].split('/')[1]} {row[5]}\n" for row in releases.CSIQ_ROWS))
    assert read_csiq(short).names == labels.names
    assert read_csiq(short).mos.tolist() == labels.mos.tolist()
    assert read_csiq(short).mos_std is None
    long = tmp_path / "csiq_dmos.txt"
    rows = [(*row[:2], row[2].replace(" ", ""), *row[3:6]) for row in releases.CSIQ_ROWS]
    long.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    assert read_csiq(long).names == labels.names
    assert read_csiq(long).mos_std.tolist() == labels.mos_std.tolist()


@pytest.mark.parametrize("line", ["1600.AWGN.9.png 0.1", "1600.RAIN.1.png 0.1", "whatever 0.1", ".AWGN.1.png 0.1"])
def test_csiq_names_a_line_of_another_form(tmp_path, line):
    path = tmp_path / "csiq_label.txt"
    path.write_text(f"1600.AWGN.1.png 0.06\n{line}\n")
    with pytest.raises(DataError, match=r"csiq_label\.txt, line 2: .* is no image name of this database"):
        read_csiq(path)
    faults = []
    assert read_csiq(path, faults.append).names == ("awgn/1600.AWGN.1.png", line.split()[0])
    assert [fault.images for fault in faults] == [(line.split()[0],)]

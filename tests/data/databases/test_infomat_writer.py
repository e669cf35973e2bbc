"""Oracle: the reader of info.mat, the properties of its index, and the header that MATLAB 7.3 files have."""

import h5py
import numpy as np
import pytest

from linearityiqa.data.databases.csvfile import read_csv
from linearityiqa.data.databases.infomat import read_info_mat
from linearityiqa.data.databases.infomat_writer import write_info_mat


@pytest.fixture
def labels(tmp_path):
    """40 images of 20 references, 12 of them in the training and 4 in each other set."""
    lines = ["image_name,mos,mos_std,split,reference"]
    split = ["train"] * 12 + ["val"] * 4 + ["test"] * 4
    for row in np.random.default_rng(0).permutation(40):
        lines.append(f"photo {row} é.png,{row}.25,0.{row + 1:02d},{split[row % 20]},scene {row % 20}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return read_csv(tmp_path / "labels.csv")


def read(path, labels, ratios, exp_id=0, **options):
    return read_info_mat(
        path, labels.scale, exp_id=exp_id, train_ratio=ratios[0], train_and_val_ratio=ratios[1], **options
    )


def test_the_reader_gets_the_labels_and_their_split_back(labels, tmp_path):
    path = tmp_path / "info.mat"
    ratios = write_info_mat(path, labels, labels.names, splits=3, seed=1)
    again = read(path, labels, [float(f"{ratio:.8f}") for ratio in ratios])
    assert again.names == labels.names
    assert again.mos.tolist() == labels.mos.tolist()
    assert again.mos_std.tolist() == labels.mos_std.tolist()
    assert {k: v.tolist() for k, v in again.splits.items()} == {k: v.tolist() for k, v in labels.splits.items()}
    pairs = set(zip(again.references, labels.references, strict=True))
    assert len(pairs) == len(set(again.references)) == 20


def test_other_columns_are_random_and_by_reference(labels, tmp_path):
    write_info_mat(tmp_path / "a.mat", labels, labels.names, splits=4, seed=1)
    write_info_mat(tmp_path / "b.mat", labels, labels.names, splits=4, seed=1)
    write_info_mat(tmp_path / "c.mat", labels, labels.names, splits=4, seed=2)
    with h5py.File(tmp_path / "a.mat") as a, h5py.File(tmp_path / "b.mat") as b, h5py.File(tmp_path / "c.mat") as c:
        index = a["index"][()]
        assert index.shape == (20, 4)
        assert (np.sort(index, axis=0) == np.arange(1, 21)[:, None]).all()
        assert len({tuple(column) for column in index.T}) == 4
        assert np.array_equal(index, b["index"][()])
        assert not np.array_equal(index[:, 1], c["index"][:, 1])


def test_images_without_references_or_deviations_are_their_own(tmp_path):
    (tmp_path / "labels.csv").write_text("image_name,mos\na,1\nb,2\nc,3\n")
    labels = read_csv(tmp_path / "labels.csv")
    path = tmp_path / "info.mat"
    assert write_info_mat(path, labels, labels.names, splits=2, seed=0) == (0.6, 0.8)
    again = read(path, labels, (0.4, 0.7))
    assert again.references == ("1", "2", "3")
    assert again.mos_std is None


def test_zeros_that_earlier_versions_wrote_for_unknown_deviations_are_unknown(labels, tmp_path):
    write_info_mat(tmp_path / "info.mat", labels, labels.names, splits=1, seed=0)
    with h5py.File(tmp_path / "info.mat", "r+") as file:
        file["subjective_scoresSTD"][...] = 0
    assert read(tmp_path / "info.mat", labels, (0.6, 0.8), opinion_factor=27.82).mos_std is None


def test_deviations_are_divided_where_they_will_be_multiplied(labels, tmp_path):
    write_info_mat(tmp_path / "info.mat", labels, labels.names, splits=1, seed=0, opinion_factor=27.82)
    again = read(tmp_path / "info.mat", labels, (0.6, 0.8), opinion_factor=27.82)
    assert np.allclose(again.mos_std, labels.mos_std, rtol=1e-14)


def test_it_looks_like_a_file_of_matlab(labels, tmp_path):
    path = tmp_path / "info.mat"
    write_info_mat(path, labels, labels.names, splits=1, seed=0)
    header = path.read_bytes()[:128]
    assert header.startswith(b"MATLAB 7.3 MAT-file")
    assert header[124:] == b"\x00\x02IM"
    with h5py.File(path) as file:
        assert file["subjective_scores"].attrs["MATLAB_class"] == b"double"
        assert file["im_names"].attrs["MATLAB_class"] == b"cell"
        name = file[file["im_names"][0, 0]]
        assert (name.attrs["MATLAB_class"], name.shape[1], name.dtype) == (b"char", 1, np.uint16)


def test_a_scale_that_is_not_known_is_observed(labels, tmp_path):
    ratios = write_info_mat(tmp_path / "info.mat", labels, labels.names, splits=1, seed=0)
    again = read_info_mat(tmp_path / "info.mat", None, exp_id=0, train_ratio=ratios[0], train_and_val_ratio=ratios[1])
    assert (again.scale.low, again.scale.high) == (0.25, 39.25)

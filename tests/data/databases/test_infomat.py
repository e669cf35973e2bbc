"""Oracle: the authors' own file and its published counts; generated files split by hand; files made to do harm."""

import h5py
import numpy as np
import pytest

from layouts import make_infomat
from linearityiqa.data.databases import infomat
from linearityiqa.data.databases.csvfile import read_csv
from linearityiqa.data.databases.infomat import read_info_mat, write_info_mat
from linearityiqa.errors import DataError
from linearityiqa.quality import QualityScale

SCALE = QualityScale(low=0, high=100)
COUNT = 11


def read(path, exp_id=0, ratios=(0.6, 0.8), **options):
    return read_info_mat(path, SCALE, exp_id=exp_id, ratios=ratios, **options)


@pytest.fixture
def path(tmp_path):
    names = [f"im_{i} ü.bmp" for i in range(COUNT)]
    return make_infomat(tmp_path / "CLIVEinfo.mat", names, np.linspace(20, 80, COUNT), np.full(COUNT, 2.0))


def test_names_scores_and_deviations(path):
    labels = read(path, opinion_factor=10.0)
    assert labels.names == tuple(f"im_{i} ü.bmp" for i in range(COUNT))
    assert np.array_equal(labels.mos, np.linspace(20, 80, COUNT))
    assert (labels.mos_std == 20).all()


@pytest.mark.parametrize("exp_id", [0, 3, 5 + 3, 5 * 10**9 + 4])
def test_splits_are_cut_from_column_exp_id_modulo_columns(path, exp_id):
    with h5py.File(path) as file:
        column = file["index"][:, exp_id % 5]
    splits = read(path, exp_id).splits
    assert splits["train"].tolist() == sorted(int(i) - 1 for i in column[:6])
    assert splits["val"].tolist() == sorted(int(i) - 1 for i in column[6:8])
    assert splits["test"].tolist() == sorted(int(i) - 1 for i in column[8:])


def test_images_of_one_reference_stay_together(tmp_path):
    ref_ids = np.repeat(np.arange(1.0, 6), 3)
    names = [f"{i}.bmp" for i in range(15)]
    path = make_infomat(tmp_path / "info.mat", names, np.arange(15.0), np.ones(15), ref_ids=ref_ids)
    labels = read(path)
    assert [len(rows) for rows in labels.splits.values()] == [9, 3, 3]
    homes = [{labels.references[row] for row in rows} for rows in labels.splits.values()]
    assert sum(map(len, homes)) == len(set.union(*homes)) == 5


def test_the_authors_file(real_data):
    path = real_data / "paper" / "CLIVEinfo.mat"
    labels = read(path)
    assert len(labels.names) == 1162
    assert labels.names[0] == "100.bmp"
    assert {name: len(rows) for name, rows in labels.splits.items()} == {"train": 697, "val": 232, "test": 233}
    with h5py.File(path) as file:
        first = file["index"][0, 0]
    assert int(first) - 1 in labels.splits["train"]
    assert [len(rows) for rows in read(path, 1001, (0, 0)).splits.values()] == [0, 0, 1162]


@pytest.mark.parametrize("name", ["im_names", "subjective_scores", "subjective_scoresSTD", "ref_ids", "index"])
def test_a_missing_part_is_named(path, name):
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(DataError, match=f"has no {name}"):
        read(path)


BAD = {
    "text scores": ("subjective_scores", {"data": np.array([[b"x"] * COUNT])}, "not a table of numbers"),
    "two rows": ("subjective_scores", {"data": np.ones((2, COUNT))}, "not one row of numbers"),
    "scalar scores": ("subjective_scores", {"data": 1.0}, "not a table of numbers"),
    "no scores": ("subjective_scores", {"data": h5py.Empty("f8")}, "not an array stored in this file"),
    "nan": ("subjective_scores", {"data": np.full((1, COUNT), np.nan)}, "image 1: MOS of im_0 ü.bmp is nan"),
    "huge": ("subjective_scores", {"shape": (1, 10**12), "dtype": "f8", "chunks": (1, 100)}, "more than 5000000"),
    "few deviations": ("subjective_scoresSTD", {"data": np.ones((1, 5))}, "5 values in subjective_scoresSTD"),
    "negative": (
        "subjective_scoresSTD",
        {"data": -np.ones((1, COUNT))},
        "standard deviation of MOS of im_0 ü.bmp is -2?",
    ),
    "few references": ("ref_ids", {"data": np.ones((1, 5))}, "5 values in ref_ids"),
    "foreign references": ("ref_ids", {"data": np.full((1, COUNT), 99.0)}, "does not hold every reference"),
    "repeated order": ("index", {"data": np.ones((COUNT, 2))}, "does not hold every reference of ref_ids exactly once"),
    "flat index": ("index", {"data": np.arange(COUNT)}, "not a table of numbers"),
    "no columns": ("index", {"data": np.ones((COUNT, 0))}, "not a table of numbers"),
    "names as text": ("im_names", {"data": np.array([[b"a.bmp"] * COUNT])}, "not one row of 11 references"),
    "few names": ("im_names", {"shape": (1, 3), "dtype": h5py.ref_dtype}, "not one row of 11 references"),
    "null names": ("im_names", {"shape": (1, COUNT), "dtype": h5py.ref_dtype}, "image 1: the name is missing"),
}


@pytest.mark.parametrize(("name", "options", "sentence"), BAD.values(), ids=BAD)
def test_a_part_of_another_type_is_named(path, name, options, sentence):
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_dataset(name, **options)
    with pytest.raises(DataError, match=sentence) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "target", [np.ones((COUNT, 1)), np.zeros((5000, 1), np.uint16), "group"], ids=["numbers", "endless", "group"]
)
def test_a_name_that_is_no_text_is_refused(path, target):
    with h5py.File(path, "r+") as file:
        item = file.create_group("odd") if isinstance(target, str) else file.create_dataset("odd", data=target)
        file["im_names"][0, 4] = item.ref
    with pytest.raises(DataError, match=r"the name is|a name is not an array"):
        read(path)


def external_link(file, folder):
    with h5py.File(folder / "secret.h5", "w") as secret:
        secret["x"] = np.ones((1, COUNT))
    file["subjective_scores"] = h5py.ExternalLink(str(folder / "secret.h5"), "x")


def external_storage(file, folder):
    (folder / "secret.bin").write_bytes(bytes(8 * COUNT))
    storage = [(str(folder / "secret.bin"), 0, 8 * COUNT)]
    file.create_dataset("subjective_scores", shape=(1, COUNT), dtype="f8", external=storage)


def virtual_array(file, folder):
    with h5py.File(folder / "secret.h5", "w") as secret:
        secret["x"] = np.ones((1, COUNT))
    layout = h5py.VirtualLayout((1, COUNT), "f8")
    layout[:] = h5py.VirtualSource(folder / "secret.h5", "x", (1, COUNT))
    file.create_virtual_dataset("subjective_scores", layout)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (external_link, "links elsewhere for subjective_scores"),
        (external_storage, "not an array stored in this file"),
        (virtual_array, "not an array stored in this file"),
    ],
)
def test_other_files_are_not_read(path, tmp_path, make, sentence):
    with h5py.File(path, "r+") as file:
        del file["subjective_scores"]
        make(file, tmp_path)
    with pytest.raises(DataError, match=sentence):
        read(path)


def test_large_blocks_are_not_unpacked(path, monkeypatch):
    monkeypatch.setattr(infomat, "MAX_CHUNK_BYTES", 8)
    with pytest.raises(DataError, match="index is stored in blocks of more than 8 bytes"):
        read(path)


@pytest.mark.parametrize("damage", [lambda b: b[:700], lambda b: b"text" * 300, lambda b: b"", lambda b: b[:-4000]])
def test_a_damaged_file_is_named(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataError, match=r"CLIVEinfo\.mat cannot be read as a MATLAB 7\.3 file"):
        read(path)


@pytest.fixture
def labels(tmp_path):
    """40 images of 20 references, 12 of them in the training and 4 in each other set."""
    lines = ["image_name,mos,mos_std,split,reference"]
    split = ["train"] * 12 + ["val"] * 4 + ["test"] * 4
    for row in np.random.default_rng(0).permutation(40):
        lines.append(f"photo {row} é.png,{row}.25,0.{row + 1:02d},{split[row % 20]},scene {row % 20}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    return read_csv(tmp_path / "labels.csv")


def test_the_reader_gets_the_labels_and_their_split_back(labels, tmp_path):
    path = tmp_path / "info.mat"
    ratios = write_info_mat(path, labels, labels.names, splits=3, seed=1)
    again = read(path, ratios=[float(f"{ratio:.8f}") for ratio in ratios])
    assert again.names == labels.names
    assert again.mos.tolist() == labels.mos.tolist()
    assert again.mos_std.tolist() == labels.mos_std.tolist()
    assert {k: v.tolist() for k, v in again.splits.items()} == {k: v.tolist() for k, v in labels.splits.items()}
    pairs = set(zip(again.references, labels.references, strict=True))
    assert len(pairs) == len(set(again.references)) == 20


def test_other_columns_are_random_and_by_reference(labels, tmp_path):
    index = []
    for number, seed in enumerate((1, 1, 2)):
        write_info_mat(tmp_path / f"{number}.mat", labels, labels.names, splits=4, seed=seed)
        with h5py.File(tmp_path / f"{number}.mat") as file:
            index.append(file["index"][()])
    assert index[0].shape == (20, 4)
    assert (np.sort(index[0], axis=0) == np.arange(1, 21)[:, None]).all()
    assert len({tuple(column) for column in index[0].T}) == 4
    assert np.array_equal(index[0], index[1])
    assert not np.array_equal(index[0][:, 1], index[2][:, 1])


def test_images_without_references_or_deviations_are_their_own(tmp_path):
    (tmp_path / "labels.csv").write_text("image_name,mos\na,1\nb,2\nc,3\n")
    labels = read_csv(tmp_path / "labels.csv")
    path = tmp_path / "info.mat"
    assert write_info_mat(path, labels, labels.names, splits=2, seed=0) == (0.6, 0.8)
    again = read(path, ratios=(0.4, 0.7))
    assert again.references == ("1", "2", "3")
    assert again.mos_std is None


def test_deviations_are_divided_where_they_will_be_multiplied(labels, tmp_path):
    write_info_mat(tmp_path / "info.mat", labels, labels.names, splits=1, seed=0, opinion_factor=27.82)
    again = read(tmp_path / "info.mat", opinion_factor=27.82)
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
    again = read_info_mat(tmp_path / "info.mat", None, exp_id=0, ratios=ratios)
    assert (again.scale.low, again.scale.high) == (0.25, 39.25)

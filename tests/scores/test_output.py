"""Oracle: rows of one run without a stop; the standard library's readers; bytes torn off by hand; what was written."""

import contextlib
import csv
import errno
import logging
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from linearityiqa.errors import MissingExtraError, OutputError
from linearityiqa.scores import open_output, parquet
from linearityiqa.scores.output import PathSet
from linearityiqa.scores.provenance import Provenance, provenance_of
from linearityiqa.scores.rows import read_scores
from linearityiqa.scoring import COLUMNS, ImageScore
from pixel_runtime import make_record

PATHS = ["a.jpg", 'odd, "name"\n.png', "caf\udce9.jpg", "line\u2028.png", "carriage\r.png", "e.jpg", "f.jpg"]
RESULTS = [
    ImageScore(path, score=50.5 + i, stage3=1 / 3, stage4=-1.0, on_scale=True, notes=("16-bit reduced to 8-bit",))
    for i, path in enumerate(PATHS)
]
RESULTS[2] = ImageScore(PATHS[2], error=f"cannot decode {PATHS[2]}: it is cut off")
GOOD = [result for result in RESULTS if not result.failed]
SUFFIXES = (".csv", ".jsonl", "")


@pytest.fixture
def provenance(tmp_path: Path) -> Provenance:
    model = tmp_path / "model.bin"
    model.write_bytes(b"weights")
    return provenance_of(model, make_record(), COLUMNS, max_pixels=10**8)


@pytest.fixture
def append(provenance: Provenance) -> Callable[..., tuple[int, int, int]]:
    """Do what the command does; the numbers of rows written, of all rows, and of failed ones."""

    def run(output: Path, results: list[ImageScore] = RESULTS, **options: bool) -> tuple[int, int, int]:
        with open_output(output, provenance, **options) as rows:
            before = rows.total
            for result in results:
                if rows.claim(result.path):
                    rows.write(result.as_dict())
        return rows.total - before, rows.total, rows.failed

    return run


def content(output: Path) -> list[bytes]:
    files = sorted(output.glob("part-*")) if output.is_dir() else [output]
    return [file.read_bytes() for file in files]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_output_of_version_1_0_0_goes_on_without_the_word_for_quality(
    tmp_path: Path, provenance: Provenance, append: Callable[..., tuple[int, int, int]], suffix: str
) -> None:
    output = tmp_path / f"s{suffix}"
    columns = [column for column in provenance["columns"] if column != "quality"]
    with open_output(output, provenance | {"columns": columns}) as rows:
        for result in RESULTS[:3]:
            rows.claim(result.path)
            rows.write(result.as_dict())
    graded = [replace(result, quality=None if result.error else "fair") for result in RESULTS]
    assert append(output, graded) == (4, 7, 1)
    assert {row["quality"] for row in read_scores(output)} == {None}
    if suffix == ".csv":
        lines = list(csv.reader(output.open(encoding="utf-8", errors="surrogateescape", newline="")))
        assert lines[0] == columns
        assert {len(line) for line in lines} == {len(columns)}


def test_parquet_has_bounded_parts(
    tmp_path: Path, append: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    monkeypatch.setattr(parquet, "PART_ROWS", 3)
    append(tmp_path / "s")
    assert [table.read_metadata(part).num_rows for part in sorted((tmp_path / "s").glob("part-*"))] == [3, 3, 1]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_going_on_gives_what_one_run_gives(
    tmp_path: Path, append: Callable[..., object], suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "PART_ROWS", 1)
    whole, parts = tmp_path / f"whole{suffix}", tmp_path / f"parts{suffix}"
    append(whole, GOOD)
    assert append(parts, GOOD[:4]) == (4, 4, 0)
    assert append(parts, GOOD) == (2, 6, 0)
    assert append(parts, GOOD) == (0, 6, 0)
    assert content(parts) == content(whole)


def paths_in(output: Path) -> list[tuple[str, bool]]:
    return [(row["path"], row["error"] is not None) for row in read_scores(output)]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_had_failed_is_tried_again_and_has_one_row(
    tmp_path: Path, append: Callable[..., object], suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "PART_ROWS", 3)
    output = tmp_path / f"s{suffix}"
    plain = [replace(result, path=f"{number}.jpg") for number, result in enumerate(RESULTS)]
    assert append(output, plain) == (7, 7, 1)
    assert append(output, plain[3:]) == (0, 7, 1)  # what is not named keeps its row
    assert paths_in(output)[2] == ("2.jpg", True)
    assert append(output, plain) == (0, 7, 1)
    mended = [*plain[:2], replace(plain[0], path="2.jpg"), *plain[3:]]
    assert append(output, mended) == (0, 7, 0)
    assert paths_in(output) == [(f"{number}.jpg", False) for number in (0, 1, 3, 4, 5, 6, 2)]
    before = content(output)
    assert append(output, mended) == (0, 7, 0)
    assert content(output) == before


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_that_changed_are_scored_again(
    tmp_path: Path, append: Callable[..., object], provenance: Provenance, suffix: str
) -> None:
    files = [tmp_path / f"{number}.jpg" for number in range(3)]
    for file in files:
        file.write_bytes(b"a picture")
    results = [replace(RESULTS[0], path=str(file)) for file in files]
    output = tmp_path / f"s{suffix}"
    append(output, results)
    companion = output / "_provenance.json" if output.is_dir() else tmp_path / f"s{suffix}.provenance.json"
    old = files[1].stat()
    while files[1].stat().st_ctime_ns <= companion.stat().st_mtime_ns:  # clocks of file systems tick slowly
        files[1].write_bytes(b"another one")
        os.utime(files[1], ns=(old.st_atime_ns, old.st_mtime_ns))  # as cp --preserve does
    changed = [replace(result, score=1.0) for result in results]
    for _ in range(2):  # a run that is stopped looks at them once more
        with contextlib.suppress(KeyboardInterrupt), open_output(output, provenance) as rows:
            assert [rows.claim(result.path) for result in changed] == [False, True, False]
            raise KeyboardInterrupt
    assert append(output, changed) == (0, 3, 0)
    assert [row["score"] for row in read_scores(output)] == [50.5, 50.5, 1.0]
    with open_output(output, provenance) as rows:
        assert not any(rows.claim(result.path) for result in changed)


def test_a_row_that_someone_took_out_is_scored_again(tmp_path: Path, append: Callable[..., object]) -> None:
    output = tmp_path / "s.jsonl"
    append(output, GOOD)
    output.write_bytes(b"".join(output.read_bytes().splitlines(keepends=True)[1:]))
    assert append(output, GOOD) == (1, len(GOOD), 0)
    assert [row["path"] for row in read_scores(output)] == [*(one.path for one in GOOD[1:]), GOOD[0].path]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_kill_before_earlier_rows_are_removed_leaves_them_to_the_next_run(
    tmp_path: Path, append: Callable[..., object], suffix: str
) -> None:
    output = tmp_path / f"s{suffix}"
    failed = ImageScore("a.jpg", error="a.jpg is empty")
    append(output, [failed, *GOOD[1:]])
    before = output.read_bytes()
    append(output, GOOD)
    new_row = output.read_bytes().splitlines(keepends=True)[-1]
    output.write_bytes(before + new_row)  # what a kill at the end leaves
    assert append(output, GOOD) == (0, 6, 0)
    assert paths_in(output) == [(result.path, False) for result in (*GOOD[1:], GOOD[0])]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_a_torn_row_is_removed_wherever_it_was_torn(
    tmp_path: Path,
    append: Callable[..., object],
    suffix: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # hundreds of them take seconds
    output = tmp_path / f"s{suffix}"
    append(output, GOOD)
    whole = output.read_bytes()
    with caplog.at_level(logging.INFO, "linearityiqa"):
        for torn in [*(whole[:length] for length in range(1, len(whole), 11)), whole + bytes(4096)]:
            output.write_bytes(torn)
            append(output, GOOD)
            assert output.read_bytes() == whole
    assert "its last row was not whole" in caplog.text


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_scores_of_another_model_or_other_options_are_never_mixed(
    tmp_path: Path, append: Callable[..., object], provenance: Provenance, suffix: str
) -> None:
    output = tmp_path / f"s{suffix}"
    append(output, RESULTS[:1])
    before = content(output)
    for name, value in (
        ("model_sha256", "0" * 64),
        ("transform", {"resize": True}),
        ("columns", ["path"]),
        ("max_pixels", 5),
        ("architecture", {"architecture": "alexnet"}),
    ):
        with (
            pytest.raises(OutputError, match=rf"made with another {name} .*--fresh"),
            open_output(output, provenance | {name: value}),
        ):
            pass
    assert content(output) == before
    other = provenance | {"software": "linearityiqa 99", "model": "copy.bin"}
    with open_output(output, other) as rows:
        assert rows.total == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_fresh_starts_over(tmp_path: Path, append: Callable[..., object], provenance: Provenance, suffix: str) -> None:
    output = tmp_path / f"s{suffix}"
    append(output, RESULTS[:3])
    with open_output(output, provenance | {"model_sha256": "0" * 64}, fresh=True) as rows:
        assert rows.total == 0
        assert rows.claim(RESULTS[0].path)
        rows.write(RESULTS[0].as_dict())
    with pytest.raises(OutputError, match="another model_sha256"):
        append(output)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (lambda data: b"path,score\n" + data, "first line .* does not name the columns"),
        (lambda data: data.partition(b"\n")[2], "first line .* does not name the columns"),
        (lambda data: data + data, "score is 'score', not a finite number"),
        (lambda data: data + b"a,b\n" + data, "2 values"),
        (lambda data: data + b'"' + b"x" * (2 << 20), "without the end of a row"),
    ],
)
def test_a_file_that_someone_changed_is_refused_as_it_is(
    tmp_path: Path, append: Callable[..., object], damage: Callable[[bytes], bytes], sentence: str
) -> None:
    output = tmp_path / "s.csv"
    append(output)
    output.write_bytes(damage(output.read_bytes()))
    before = output.read_bytes()
    with pytest.raises(OutputError, match=sentence):
        append(output)
    assert output.read_bytes() == before


@pytest.mark.parametrize("companion", [None, "{}", "no json", '{"format": 2}', "[" * 10**5, " " * (2 << 20)])
def test_an_output_of_unknown_making_is_refused(
    tmp_path: Path, append: Callable[..., object], companion: str | None
) -> None:
    output = tmp_path / "s.csv"
    append(output)
    beside = tmp_path / "s.csv.provenance.json"
    beside.unlink() if companion is None else beside.write_text(companion)
    with pytest.raises(OutputError, match=r"s\.csv.*--fresh"):
        append(output)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_two_processes_do_not_write_one_output(
    tmp_path: Path, append: Callable[..., object], provenance: Provenance, suffix: str
) -> None:
    pytest.importorskip("fcntl", reason="this system has no such locks")
    output = tmp_path / f"s{suffix}"
    with (
        open_output(output, provenance),
        pytest.raises(OutputError, match="another process is writing"),
    ):
        append(output)


def test_a_full_disk_loses_no_row(
    tmp_path: Path, append: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    output, whole = tmp_path / "s.csv", tmp_path / "whole.csv"
    append(whole)
    write = os.write

    def full(descriptor: int, data: bytes) -> int:
        if os.fstat(descriptor).st_size + len(data) > 150:
            if len(data) > 5:
                return write(descriptor, data[:5])  # a system writes what there is room for
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OutputError, match=r"s\.csv: No space left on device.*resumes where it stopped"):
        append(output)
    assert whole.read_bytes().startswith(output.read_bytes())
    assert output.read_bytes().endswith(b"\n")
    monkeypatch.setattr(os, "write", write)
    append(output)
    assert output.read_bytes() == whole.read_bytes()


def test_a_full_disk_leaves_whole_parquet_parts(
    tmp_path: Path, append: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    monkeypatch.setattr(parquet, "PART_ROWS", 2)
    original, parts = parquet.write_part, 0

    def full(*arguments: object) -> None:
        nonlocal parts
        parts += 1
        if parts >= 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(*arguments)

    monkeypatch.setattr(parquet, "write_part", full)
    with pytest.raises(OutputError, match="No space left"):
        append(tmp_path / "s")
    monkeypatch.setattr(parquet, "write_part", original)
    assert append(tmp_path / "s") == (5, 7, 1)


def test_leftovers_and_damage_in_a_parquet_folder(tmp_path: Path, append: Callable[..., object]) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    output = tmp_path / "s"
    append(output, RESULTS[:2])
    leftover = output / ".part-000001.parquet.x1y2.parquet"
    leftover.write_bytes(b"PAR1")
    append(output)
    assert not leftover.exists()
    (output / "part-000000.parquet").write_bytes(b"PAR1 torn")
    with pytest.raises(OutputError, match=r"part-000000\.parquet.*scored again"):
        append(output)
    (output / "part-000000.parquet").unlink()
    assert append(output) == (2, 7, 1)


@pytest.mark.parametrize("fresh", [True, False])
def test_parquet_files_of_others_are_left_alone(tmp_path: Path, append: Callable[..., object], fresh: bool) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    output = tmp_path / "parts"
    append(output)
    (output / "labels.parquet").write_bytes(b"of someone else")
    before = content(output)
    with pytest.raises(OutputError, match=r"labels\.parquet is not a file of this output. Move it"):
        append(output, fresh=fresh)
    assert (output / "labels.parquet").read_bytes() == b"of someone else"
    assert content(output) == before


def test_places_that_cannot_be_written(tmp_path: Path, append: Callable[..., object]) -> None:
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()
    for output in (tmp_path / "folder.csv", tmp_path / "file", tmp_path / "file" / "s.csv"):
        with pytest.raises(OutputError, match="cannot write"):
            append(output)


def test_parquet_needs_its_extra(
    tmp_path: Path, append: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(module: str, extra: str) -> None:
        raise MissingExtraError(f"{module} {extra}")

    monkeypatch.setattr(parquet, "require", missing)
    with pytest.raises(MissingExtraError, match="pyarrow"):
        append(tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_set_of_paths_keeps_all_of_them() -> None:
    seen, expected = PathSet(), set()
    for i in range(150_000):
        path = f"{i * i % 140_009}.jpg"
        assert seen.add(path) == (path not in expected)
        expected.add(path)

"""Oracle: metrics in closed form on flat images; the promised order of labels, for every distortion."""

import itertools

import numpy as np
import pytest

from linearityiqa.config import SyntheticConfig
from linearityiqa.data.synthetic import labels
from linearityiqa.data.synthetic.distortions import DISTORTIONS
from linearityiqa.data.synthetic.labels import HALF, RUNGS, Severity, Views, distances, label, ladder_scores, scores
from linearityiqa.data.synthetic.references import cut, list_references, load_reference

EVERY = pytest.mark.parametrize("distortion", DISTORTIONS, ids=lambda d: d.__name__)
CONFIG = SyntheticConfig(height=96, width=128)


@pytest.fixture(scope="module")
def originals():
    """The photograph of a coffee cup and a scene."""
    references = {each.name: each for each in list_references(60)}
    rng = np.random.default_rng(0)
    return [cut(load_reference(references[name], CONFIG), 96, 128, rng) for name in ("coffee", "leaves007")]


@pytest.fixture
def measured_once(monkeypatch):
    """`scores` remembers its answers, so that a fine grid of severities costs no more than its rungs."""
    seen = {}

    def remembered(pristine, image):
        key = id(pristine), image.tobytes()
        if key not in seen:
            seen[key] = scores(pristine, image)
        return seen[key]

    monkeypatch.setattr(labels, "scores", remembered)


def flat(value):
    return np.full((96, 100, 3), value, dtype=np.uint8)


def test_equal_images_score_100(originals):
    for image in originals:
        np.testing.assert_allclose(scores(Views.of(image), image), 100, atol=1e-6)
        assert label(image, (), image) == (100.0, labels.SMALLEST_SPREAD)


def test_distances_of_flat_images_in_closed_form():
    """SSIM of constants is its luminance term at every scale; black to white is 100 in CIEDE2000."""
    found = distances(Views.of(flat(51)), Views.of(flat(102)))
    a, b, c = 0.2, 0.4, 0.01**2
    expected = 1 - (2 * a * b + c) / (a * a + b * b + c)
    assert found.structure == pytest.approx(expected, abs=1e-5)
    assert found.scales == pytest.approx(expected, abs=1e-5)
    assert found.edges == pytest.approx(0, abs=1e-6)
    assert found.rms == pytest.approx(0.2, abs=1e-6)
    assert distances(Views.of(flat(0)), Views.of(flat(255))).colour == pytest.approx(100, abs=0.01)


def test_half_distances_score_the_middle_and_large_ones_the_foot(monkeypatch):
    views = Views.of(flat(0))
    for factor, expected in ((1, 50.5), (3, 1 + 99 / 10), (0, 100)):
        monkeypatch.setattr(labels, "distances", lambda *_, f=factor: labels.Distances(*(f * h for h in HALF)))
        np.testing.assert_allclose(scores(views, flat(0)), expected)


@EVERY
def test_the_label_never_rises_with_severity(distortion, originals, measured_once):
    grid = np.linspace(0, 1, 2 * RUNGS + 2)
    for image in originals:
        course = np.array([ladder_scores(image, _views(image), Severity(distortion, s, 11)) for s in grid])
        assert np.diff(course, axis=0).max() <= 1e-9  # of each metric, and so of their mean
        mos = course.mean(axis=1)
        assert mos[0] == 100
        assert mos[1] > 85
        assert mos[-1] < 32
        assert np.abs(np.diff(mos)).max() < 20


_VIEWS = {}


def _views(image):
    return _VIEWS.setdefault(id(image), Views.of(image))


@EVERY
def test_at_a_rung_the_label_is_what_the_metrics_say(distortion, originals):
    """...where they fall, as their mean does for these; so the ladder invents nothing."""
    image, step = originals[1], Severity(distortion, 2 / RUNGS, 3)
    measured = scores(_views(image), step.apply(image))
    np.testing.assert_allclose(ladder_scores(image, _views(image), step).mean(), measured.mean(), atol=0.5)


def test_a_metric_that_rises_is_held_down(monkeypatch):
    course = iter([90.0, 70.0, 80.0, 60.0, 65.0, 50.0])
    monkeypatch.setattr(labels, "scores", lambda *_: np.full(len(HALF), next(course)))
    step = Severity(DISTORTIONS[0], 1.0, 0)
    held = []
    for rung in range(1, RUNGS + 1):
        course = iter([90.0, 70.0, 80.0, 60.0, 65.0, 50.0])
        held.append(ladder_scores(flat(9), None, step._replace(severity=rung / RUNGS))[0])
    assert held == [90, 70, 70, 60, 60, 50]
    course = iter([90.0, 70.0])
    assert ladder_scores(flat(9), None, step._replace(severity=1.25 / RUNGS))[0] == pytest.approx(85)


def test_two_distortions_never_score_above_the_worse_of_them(originals):
    image = originals[0]
    severities = itertools.cycle([0.25, 0.6, 0.4])
    singles = [Severity(each, next(severities), 5) for each in DISTORTIONS]
    alone = {step.name: label(image, (step,), step.apply(image)).mos for step in singles}
    for first, second in zip(singles, singles[3:] + singles[:3], strict=True):
        both = label(image, (first, second), second.apply(first.apply(image)))
        assert both.mos <= min(alone[first.name], alone[second.name]) + 1e-9
        assert 1 <= both.mos <= 100
        assert both.mos_std >= labels.SMALLEST_SPREAD


def test_brightening_what_was_darkened_does_not_help(originals):
    """Two distortions that undo each other leave a good image; the label still is not above that of one alone."""
    image = originals[1]
    exposure = next(each for each in DISTORTIONS if each.__name__ == "exposure")
    signs = {s: exposure(image, 0.5, np.random.default_rng(s)).mean() > image.mean() for s in range(10)}
    darker, brighter = (next(s for s, up in signs.items() if up == want) for want in (False, True))
    steps = (Severity(exposure, 0.5, darker), Severity(exposure, 0.5, brighter))
    undone = steps[1].apply(steps[0].apply(image))
    assert scores(_views(image), undone).mean() > 80
    assert label(image, steps, undone).mos <= min(label(image, (step,), step.apply(image)).mos for step in steps)

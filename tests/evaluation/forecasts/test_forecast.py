"""Forecasts of learning curves: what they promise, what they refuse, and that known curves are found again."""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fewshot.core.errors import InputError
from fewshot.evaluation.charts.forecast_plot import plot_forecasts
from fewshot.evaluation.forecasts.curve_fits import fit_curve, noise_covariance, power_law, slope_and_error
from fewshot.evaluation.forecasts.curve_forecast import FURTHEST, forecast_curve
from fewshot.evaluation.forecasts.curve_refusals import CLEAR_RISE
from fewshot.evaluation.forecasts.forecast import forecast_classes, forecast_scores, readable_forecasts
from fewshot.evaluation.forecasts.labels_needed import first_at

SIZES = np.array([8.0, 16.0, 32.0, 64.0])
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def draw(curve, sizes=SIZES, n_seeds=5, noise=0.0, seed=0):
    """Return scores of a known curve, by seed and size, with noise that shrinks as slices grow."""
    rng = np.random.default_rng(seed)
    scattered = noise * (sizes / sizes[-1]) ** -0.3 * rng.standard_normal((n_seeds, len(sizes)))
    return np.clip(curve(sizes) + scattered, 0, 1)


def rising(n):
    """Return the score of a curve that levels off at 90 %."""
    return 0.9 - 0.8 * np.asarray(n, dtype=float) ** -0.5


def to_rows(make_row, scores, sizes=SIZES, **changes):
    """Return the rows that a comparison would have."""
    return [
        make_row(float(score), slice=int(size), n_train=int(size), seed=seed, **changes)
        for seed, few in enumerate(scores)
        for size, score in zip(sizes, few, strict=True)
    ]


curves = st.tuples(
    st.floats(0.5, 1.0),
    st.floats(0.3, 1.5),
    st.floats(0.15, 1.0),
    st.floats(0.0, 0.03),
    st.integers(0, 1000),
).map(lambda p: draw(lambda n: np.clip(p[0] - p[1] * n ** -p[2], 0, 1), noise=p[3], seed=p[4]))


@settings(max_examples=40, deadline=None)
@given(scores=curves, interval=st.floats(0.1, 0.98), seed=st.integers(0, 100))
def test_the_interval_holds_the_point_and_stays_a_share(scores, interval, seed):
    """Prevents 103 % accuracy, and an interval beside its own forecast."""
    forecast = forecast_curve("knn", SIZES, scores, interval=interval, random_state=seed)
    assert (forecast.refusal is None) == bool(forecast.predictions)
    for said in forecast.predictions:
        assert 0 <= said.low <= said.score <= said.high <= 1


@settings(max_examples=25, deadline=None)
@given(scores=curves, target=st.floats(0.05, 1.0))
def test_few_labels_before_many(scores, target):
    """Prevents an interval of labels whose ends are exchanged, and an answer that the interval does not hold."""
    needed = forecast_curve("knn", SIZES, scores).labels_needed(target)
    if not math.isnan(needed.labels):
        assert SIZES[0] <= needed.low <= needed.labels <= needed.high
    json.dumps(needed.as_row(), allow_nan=False)


@settings(max_examples=25, deadline=None)
@given(scores=curves)
def test_a_wider_interval_holds_a_narrower_one(scores):
    """Prevents ends that are drawn anew for each interval."""
    narrow, wide = (forecast_curve("knn", SIZES, scores, interval=share) for share in (0.5, 0.9))
    for inner, outer in zip(narrow.predictions, wide.predictions, strict=True):
        assert outer.low <= inner.low <= inner.high <= outer.high
        assert inner.score == outer.score


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(20)))
def test_the_order_of_rows_does_not_matter(order):
    """Prevents a forecast that changes when a comparison was broken off and went on in another order."""
    scores = draw(rising, noise=0.02)
    rows = [
        {"method": "knn", "slice": int(size), "n_train": int(size), "seed": seed, "status": "ok", "micro_f1": score}
        for seed, few in enumerate(scores.tolist())
        for size, score in zip(SIZES, few, strict=True)
    ]
    assert forecast_scores([rows[place] for place in order]) == forecast_scores(rows)


def test_the_same_seed_gives_the_same_forecast_and_leaves_numpy_alone():
    """Prevents a report that changes from run to run, or that changes what other code draws."""
    scores = draw(rising, noise=0.02)
    before = repr(np.random.get_state())  # noqa: NPY002
    first, again, other = (forecast_curve("knn", SIZES, scores, random_state=seed) for seed in (0, 0, 1))
    assert first.as_row() == again.as_row()
    assert first.predictions != other.predictions
    assert abs(first.predictions[0].score - other.predictions[0].score) < 0.005
    assert repr(np.random.get_state()) == before  # noqa: NPY002


def test_more_draws_do_not_widen_the_interval():
    """Prevents a forecast that is less sure the more it has seen: means over many curves, two seeds against ten."""
    widths = {}
    for n_seeds in (2, 10):
        made = [
            forecast_curve("knn", SIZES, draw(rising, n_seeds=n_seeds, noise=0.02, seed=seed)) for seed in range(12)
        ]
        widths[n_seeds] = np.mean([one.predictions[1].high - one.predictions[1].low for one in made])
    assert widths[10] < widths[2]


def test_larger_slices_do_not_widen_the_interval():
    """Prevents the same for a curve seen further, asked for the same number of labels."""
    longer = np.array([8.0, 16.0, 32.0, 64.0, 128.0])
    widths = {}
    for sizes in (SIZES, longer):
        made = [forecast_curve("k", sizes, draw(rising, sizes, noise=0.02, seed=seed), at=256) for seed in range(12)]
        widths[len(sizes)] = np.mean([one.predictions[0].high - one.predictions[0].low for one in made])
    assert widths[5] < widths[4]


def test_further_is_less_sure():
    """Prevents an interval that does not grow with the distance from what was seen."""
    forecast = forecast_curve("knn", SIZES, draw(rising, noise=0.02), at=[128, 256, 512, 1024])
    widths = [said.high - said.low for said in forecast.predictions]
    assert widths == sorted(widths)


@pytest.mark.parametrize(
    ("level", "fall", "speed"), [(0.9, 0.8, 0.5), (0.95, 1.2, 0.6), (0.7, 0.9, 0.8), (1.0, 0.9, 0.3)]
)
def test_known_curves_are_found_again(level, fall, speed):
    """Prevents a forecast that a curve of its own kind, almost without noise, does not fall near."""

    def curve(n):
        return level - fall * np.asarray(n, dtype=float) ** -speed

    forecast = forecast_curve("knn", SIZES, draw(curve, noise=0.004))
    for said in forecast.predictions:
        assert said.low < curve(said.n_train) < said.high
        assert abs(said.score - curve(said.n_train)) < 0.025


def test_the_interval_holds_as_many_draws_as_it_says():
    """Prevents an interval for the mean from being sold as one for a training: 80 % of new draws must fall into it."""
    inside = []
    for seed in range(60):
        forecast = forecast_curve("knn", SIZES, draw(rising, noise=0.025, seed=seed), at=128)
        came = draw(rising, np.array([64.0, 128.0]), n_seeds=20, noise=0.025, seed=1000 + seed)[:, 1]
        inside += [forecast.predictions[0].low <= score <= forecast.predictions[0].high for score in came]
    assert 0.75 < np.mean(inside) < 0.97


def test_the_posterior_is_that_of_ten_lines():
    """Prevents a slip in the weights: noise-free parameters of few draws against plain loops over the same grid."""
    from fewshot.evaluation.forecasts import curve_fits as fits

    scores = draw(rising, noise=0.02)
    ratios, means = SIZES / 64, scores.mean(axis=0)
    errors = np.linspace(0.1, 0.3, 3)
    grid = np.meshgrid(errors, fits.SHARES[::5], fits.SPEEDS[::5], fits.STARTS[::2], indexing="ij")
    covariance = np.diag([0.004, 0.003, 0.002, 0.001])
    expected = []
    for e, r, c, h in zip(*(axis.ravel() for axis in grid), strict=True):
        curve = [1 - e * (1 - r + r * ((n / 64 + h) / (1 + h)) ** -c) for n in SIZES]
        distance = sum((m - s) ** 2 / v for m, s, v in zip(means, curve, np.diag(covariance), strict=True))
        prior = math.sqrt(r * (1 - r)) * math.exp(-((math.log(c / 0.4) / 0.7) ** 2) / 2)
        expected.append(prior * math.exp(-distance / 2))
    found = fits._posterior(grid, ratios, means, covariance)
    assert found == pytest.approx(np.array(expected) / sum(expected))


def test_rise_and_its_error_are_those_of_least_squares():
    """Prevents a rise per label, or per e-fold, from being told as one per doubling."""
    scores = draw(rising, noise=0.02)
    slope, error = slope_and_error(SIZES, scores)
    assert slope == pytest.approx(np.polyfit(np.log2(SIZES), scores.mean(axis=0), 1)[0])
    assert error > 0
    assert slope_and_error(SIZES, np.repeat(scores, 4, axis=0))[1] < error


def test_parts_of_the_model():
    """Prevents a power law that does not pass through the largest slice, and noise that grows with the slice."""
    assert power_law(1.0, np.array([0.3]), np.array([0.5]), np.array([0.2])) == pytest.approx([1.0])
    assert power_law(4.0, np.array([1.0]), np.array([0.5]), np.array([0.0])) == pytest.approx([0.5])
    covariance = noise_covariance(SIZES / 64)
    assert (np.diff(np.diag(covariance)) < 0).all()
    assert (np.linalg.eigvalsh(covariance) > 0).all()
    fit = fit_curve(SIZES, draw(rising, noise=0.02))
    assert np.median(fit.mean_scores(64.0)) == pytest.approx(rising(64), abs=0.02)
    assert np.std(fit.scores(64.0)) > np.std(fit.mean_scores(64.0))


def test_the_first_size_that_reaches_a_score():
    """Prevents the nearest step of a grid from being told instead, and a score that nobody reaches from having one."""
    sizes = np.array([10.0, 20.0, 40.0])
    assert first_at(sizes, np.array([0.5, 0.6, 0.8]), 0.7) == pytest.approx(20 * 2**0.5)
    assert first_at(sizes, np.array([0.5, 0.6, 0.8]), 0.4) == 10.0
    assert first_at(sizes, np.array([0.5, 0.6, 0.8]), 0.9) == math.inf


def test_labels_needed_agree_with_the_scores_forecast():
    """Prevents two answers that contradict each other: with the labels said to be needed the target is forecast."""
    forecast = forecast_curve("knn", SIZES, draw(rising, noise=0.015))
    needed = forecast.labels_needed(0.83)
    assert forecast.predict(needed.labels).score == pytest.approx(0.83, abs=0.002)
    assert forecast.predict(needed.low).high == pytest.approx(0.83, abs=0.002)
    assert forecast.predict(needed.high).low == pytest.approx(0.83, abs=0.002)
    assert needed.words.startswith("about ")


def test_out_of_reach_is_said_so():
    """Prevents a number of labels for a score that the curve never comes to, and infinity in JSON."""
    forecast = forecast_curve("knn", SIZES, draw(lambda n: 0.6 - 0.8 * n**-0.7, noise=0.01))
    needed = forecast.labels_needed(0.95)
    assert needed.labels == needed.low == needed.high == math.inf
    assert "out of reach" in needed.words
    assert needed.as_row()["labels"] is None


def test_what_is_reached_needs_no_forecast():
    """Prevents more labels from being asked for than there are, and one lucky small slice from counting as reached."""
    flat = forecast_curve("knn", [8, 16], [[0.9, 0.7], [0.9, 0.7]])
    assert math.isnan(flat.labels_needed(0.8).labels)
    assert "not forecast" in flat.labels_needed(0.8).words
    assert flat.labels_needed(0.7).labels == 8
    assert flat.labels_needed(0.7).words == "reached with 8 labels"


@pytest.mark.parametrize(
    ("sizes", "scores", "why"),
    [
        (SIZES[:2], draw(rising, SIZES[:2]), "at 2 sizes of slices; a curve needs at least 3"),
        (SIZES[:1], draw(rising, SIZES[:1]), "at 1 size of slices"),
        (SIZES, draw(rising, n_seeds=1), "1 of 1 draws has a result at every size"),
        (np.array([20.0, 24.0, 28.0]), draw(rising, np.array([20.0, 24.0, 28.0])), "too close together"),
        (SIZES, draw(lambda n: 0.5 + 0 * n, noise=0.02, seed=3), "chance alone could make that"),
        (SIZES, draw(lambda n: 0.5 + 0 * n), r"change by \+0.0 points a doubling"),
        (SIZES, draw(lambda n: 0.9 - 0.05 * np.log2(n), noise=0.01), r"change by -\d\.\d points"),
    ],
)
def test_what_cannot_tell_is_refused(sizes, scores, why):
    """Prevents a forecast out of nothing."""
    forecast = forecast_curve("knn", sizes, scores)
    assert re.search(why, forecast.refusal)
    assert forecast.predictions == ()
    assert math.isnan(forecast.gain)
    assert f"not forecast: {forecast.refusal}" in str(forecast)
    with pytest.raises(InputError, match="there is no forecast for knn"):
        forecast.predict(128)


def test_chance_rarely_passes_for_a_rise():
    """Prevents a threshold so low that noise is continued: of curves without any rise most must be refused."""
    flat = [forecast_curve("knn", SIZES, draw(lambda n: 0.5 + 0 * n, noise=0.03, seed=seed)) for seed in range(60)]
    assert np.mean([one.refusal is None for one in flat]) < 0.2


def test_a_clear_rise_is_what_the_refusal_says():
    """Prevents a threshold that is not applied: noise just under and just over what the rise can bear."""
    for factor, refused in ((0.8, False), (1.25, True)):
        noise = np.array([[-1.0], [1.0]] * 2) * np.array([1.0, -1.0, 1.0, -1.0])
        scores = 0.5 + 0.01 * np.log2(SIZES)
        found = [(amount, slope_and_error(SIZES, scores + amount * noise)) for amount in np.linspace(0, 0.1, 400)]
        limit = next(amount for amount, (slope, error) in found if slope < CLEAR_RISE * error)
        assert (forecast_curve("knn", SIZES, scores + factor * limit * noise).refusal is not None) == refused


def test_failed_cells_are_left_out_seed_by_seed(make_row):
    """Prevents means over other seeds at each size, which bend a curve, and failures from passing unsaid."""
    scores = draw(rising, noise=0.02)
    rows = to_rows(make_row, scores)
    lost = dict.fromkeys(("accuracy", "micro_f1", "macro_f1"))
    one_failed = [row | {"status": "failed"} | lost if (row["seed"], row["slice"]) == (4, 64) else row for row in rows]
    [whole], [fewer] = forecast_scores(to_rows(make_row, scores[:4])), forecast_scores(one_failed)
    assert fewer.predictions == whole.predictions
    most_failed = [row | {"status": "failed"} | lost if row["slice"] == 64 and row["seed"] else row for row in rows]
    [refused] = forecast_scores(most_failed)
    assert "1 of 5 draws has a result at every size (4 of 20 trainings failed)" in refused.refusal
    assert refused.seen[-1].n_train == 64
    all_failed = [row | {"status": "failed"} | lost for row in rows]
    [nothing] = forecast_scores(all_failed)
    assert "20 of 20 trainings failed" in nothing.refusal
    assert nothing.seen == ()
    assert nothing.furthest == 0
    assert math.isnan(nothing.labels_needed(0.5).labels)
    with pytest.raises(InputError, match="no finished result"):
        plot_forecasts([nothing])


def test_each_method_and_variant_has_its_own(make_row, failed_row):
    """Prevents two encoders from being mixed into one curve, and methods without labels from ending the others."""
    scores = draw(rising, noise=0.02)
    rows = [
        *to_rows(make_row, scores, encoder="a"),
        *to_rows(make_row, scores / 2, encoder="b"),
        *to_rows(make_row, scores, method="uda", encoder="a", pool=2000),
        *[make_row(0.4, method="zero-shot", n_train=0, slice=0, seed=seed) for seed in range(3)],
        failed_row | {"method": "broken"},
    ]
    forecasts = forecast_scores(rows, metric="accuracy")
    assert [one.name for one in forecasts][:2] == ["knn (a)", "knn (b)"]
    assert [one.subject["method"] for one in forecasts] == ["knn", "knn", "uda", "zero-shot", "broken"]
    assert forecasts[0].predictions[0].score > forecasts[1].predictions[0].score
    assert forecasts[2].predictions == forecasts[0].predictions
    assert forecasts[3].refusal == "it learns from no labels, so that more of them change nothing"
    assert forecasts[4].refusal
    json.dumps([one.as_row() for one in forecasts], allow_nan=False)


def test_a_slice_without_labels_is_not_on_the_curve(make_row):
    """Prevents the logarithm of 0 where a method that can do without labels was run on slice 0 as well."""
    rows = to_rows(make_row, draw(rising, noise=0.02))
    zero = [make_row(0.1, n_train=0, slice=0, seed=seed) for seed in range(5)]
    assert forecast_scores([*zero, *rows]) == forecast_scores(rows)


def test_slices_of_several_labels_may_differ_in_size(make_row):
    """Prevents a seed whose slice has one text more from being a size of its own."""
    rows = to_rows(make_row, draw(rising, noise=0.02))
    uneven = [row | {"n_train": row["n_train"] + row["seed"] % 2} for row in rows]
    [forecast] = forecast_scores(uneven)
    assert [slice_.n_train for slice_ in forecast.seen] == [8.4, 16.4, 32.4, 64.4]
    assert forecast.predictions[0].n_train == 129


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metric": "mcc"}, "metric must be one of accuracy, micro_f1, macro_f1, got 'mcc'"),
        ({"metric": "micro"}, "Did you mean 'micro_f1'"),
        ({"interval": 80}, "interval must be a share"),
        ({"at": 0}, "at must be from 1 to 1,024 labelled texts"),
        ({"at": [128, 64 * FURTHEST + 1]}, "at must be from 1 to 1,024 labelled texts"),
    ],
)
def test_arguments_out_of_range_are_named(make_row, changes, words):
    """Prevents nonsense, or a forecast a hundred times as far as was seen, from being answered."""
    with pytest.raises(InputError, match=words):
        forecast_scores(to_rows(make_row, draw(rising, noise=0.02)), **changes)


def test_a_cell_that_comes_twice_is_refused(make_row):
    """Prevents two comparisons thrown together from counting as more draws than there were."""
    rows = to_rows(make_row, draw(rising, noise=0.02))
    with pytest.raises(InputError, match="got slice 8, seed 0 of knn twice"):
        forecast_scores([*rows, rows[0]])


@pytest.mark.parametrize(
    ("sizes", "scores", "words"),
    [
        (SIZES, 100 * draw(rising), "divide percentages by 100"),
        (SIZES[::-1], draw(rising), "must be above 0 and ascend"),
        ([0, 8, 16], [[0.1, 0.2, 0.3]], "must be above 0 and ascend"),
        (SIZES[:3], draw(rising), "shape"),
        (SIZES, draw(rising)[0], "shape"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(sizes, scores, words):
    """Prevents percentages, sizes in any order and transposed arrays from being fitted."""
    with pytest.raises(InputError, match=words):
        forecast_curve("knn", sizes, scores)


@pytest.mark.parametrize("target", [0, 90, -0.1, math.nan])
def test_a_target_in_percent_is_refused(target):
    """Prevents 90 from being out of reach where 0.9 was meant."""
    with pytest.raises(InputError, match=r"such as 0.9 for 90 %"):
        forecast_curve("knn", SIZES, draw(rising, noise=0.01)).labels_needed(target)


def test_the_class_that_gains_most_comes_first():
    """Prevents a ranking by what is low now: what is low and stays low gains nothing, and its forecast is refused."""
    steep, slow, stuck = (lambda n: 0.9 - 2 * n**-0.5, lambda n: 0.9 - 0.3 * n**-0.5, lambda n: 0.1 + 0 * n)
    f1 = np.stack([draw(curve, noise=0.01, seed=i) for i, curve in enumerate((stuck, slow, steep), 3)], axis=2)
    first, second, last = forecast_classes(f1, SIZES, ["stuck", "slow", "steep"])
    assert [one.name for one in (first, second, last)] == ["steep", "slow", "stuck"]
    assert first.gain > second.gain > 0
    assert "chance alone" in last.refusal
    assert first.subject == {"class": "steep"}
    assert first.metric == "f1"
    alone = forecast_curve("steep", SIZES, f1[:, :, 2], metric="f1", subject={"class": "steep"})
    assert first == alone


def test_classes_and_their_names_must_agree():
    """Prevents the gains of one class from standing under the name of another."""
    with pytest.raises(InputError, match=r"shape \(n_seeds, n_slices, 2\)"):
        forecast_classes(np.zeros((3, 4, 3)), SIZES, ["a", "b"])


def test_the_table_says_what_is_forecast_and_what_is_not():
    """Prevents a refusal from leaving an empty line that nobody understands."""
    told = forecast_curve("knn", SIZES, draw(rising, noise=0.01))
    refused = forecast_curve("uda", SIZES[:2], draw(rising, SIZES[:2]))
    first, second = readable_forecasts([told, refused], target=0.85)
    assert list(first) == ["name", "now", "128 labels", "256 labels", "labels for 85 %"]
    assert first["128 labels"] == str(told.predictions[0])
    assert second["note"] == refused.refusal
    assert str(told).startswith("knn: 80.")


def test_the_same_forecasts_give_the_same_bytes(tmp_path):
    """Prevents a picture that changes from run to run, or that does not change with its numbers."""
    told = forecast_curve("knn", SIZES, draw(rising, noise=0.01))
    refused = forecast_curve("$uda", SIZES[:2], draw(rising, SIZES[:2]))
    first = plot_forecasts([told, refused], tmp_path / "forecast.png", target=0.9)
    assert first.startswith(SIGNATURE)
    assert plot_forecasts([told, refused], target=0.9) == first == (tmp_path / "forecast.png").read_bytes()
    for others, changes in (([told], {}), ([told, refused], {}), ([refused, told], {}), ([told], {"title": "_x$"})):
        assert plot_forecasts(others, **changes) != first


def test_bands_of_many_curves_become_bars(monkeypatch):
    """Prevents seven bands on top of each other, of which none can be read."""
    drawn = []
    monkeypatch.setattr(
        "fewshot.evaluation.charts.forecast_plot.png_bytes", lambda figure, path: drawn.append(figure) or b""
    )
    made = [forecast_curve(f"m{i}", SIZES, draw(rising, noise=0.01, seed=i)) for i in range(4)]
    plot_forecasts(made[:3])
    plot_forecasts(made)
    bands, bars = (figure.axes[0] for figure in drawn)
    assert (len(bands.collections), len(bands.containers)) == (3, 0)
    assert len(bars.containers) == 4
    assert bars.get_ylim()[1] <= 1.01


def test_one_figure_has_one_metric():
    """Prevents F1 of classes and accuracy of methods on one axis."""
    made = [forecast_curve("knn", SIZES, draw(rising, noise=0.01), metric=metric) for metric in ("accuracy", "f1")]
    with pytest.raises(InputError, match="draw one figure a metric"):
        plot_forecasts(made)

import numpy as np
import pytest
from scipy import stats

from xsleep.results.inference import (
    beside,
    corrected_t,
    deviation_over_seeds,
    each,
    estimate,
    holm,
    intervals,
    wilcoxon,
    without_rounding,
)
from xsleep.results.metrics import METRICS, of_confusion


def subjects(number, seeds=1, seed=0):
    """Confusion matrices (seeds, number, 5, 5) of subjects of different length and difficulty."""
    random = np.random.default_rng(seed)
    right = random.uniform(0.4, 0.95, number)[None, :, None, None]
    rates = 8 * (np.eye(5) * right + (1 - np.eye(5)) * (1 - right) / 4)
    return random.poisson(rates * random.uniform(0.5, 3, (1, number, 1, 1)), (seeds, number, 5, 5))


def test_an_interval_of_means_is_the_bootstrap_t_of_a_mean_computed_apart():
    """With as many epochs in every subject accuracy is a mean, of which the textbook's bootstrap-t
    (Efron and Tibshirani, 12.5) is short: the standard error is the deviation over root n."""
    right = np.random.default_rng(4).integers(60, 100, 20).astype(float)
    low, high = intervals(scored(right.astype(int), 100))["accuracy"]
    drawn = np.random.default_rng(5).choice(right, (200_000, 20))
    t = (drawn.mean(axis=1) - right.mean()) / drawn.std(axis=1, ddof=0)
    ends = np.quantile(t, [0.975, 0.025]) * right.std(ddof=0)
    # Quantiles of 5,000 draws at 2.5 %: 0.011 of the width of 2 x 2.1 s/sqrt(n) as their deviation.
    assert [low, high] == pytest.approx(right.mean() - ends, abs=0.05 * (high - low))


@pytest.mark.parametrize("metric", ["accuracy", "kappa"])
@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_an_interval_is_the_one_worked_out_draw_by_draw(seeds, metric):
    """With the documented draws, the pseudo-values and errors of each of them computed apart."""
    matrices, n = subjects(8, seeds=seeds), 8

    def value(counts):
        return np.mean([of_confusion(np.tensordot(counts, m, 1))[metric] for m in matrices], 0)

    every, draws = np.ones(n), np.random.default_rng(1).multinomial(n, [1 / n] * n, 5000)
    whole = value(every)
    pseudo = n * whole - (n - 1) * value(every - np.eye(n))
    drawn = [np.repeat(pseudo, counts) for counts in draws]
    errors = value(draws) - whole
    variance, variances = pseudo.var() / (n - 1), np.array([p.var() for p in drawn]) / (n - 1)
    if seeds > 1:
        own = np.var([of_confusion(m.sum(0))[metric] for m in matrices], ddof=1) / seeds
        random = np.random.default_rng([2, 0])
        errors += np.sqrt(own) * random.standard_normal(5000)
        variance, variances = (
            variance + own,
            variances + own * random.chisquare(seeds - 1, 5000) / (seeds - 1),
        )
    t = np.sort(errors / np.sqrt(variances))  # no draw is of one subject alone
    ends = whole - t[[4874, 125]] * np.sqrt(variance)
    assert intervals(matrices)[metric] == pytest.approx(ends, abs=1e-8)


def test_the_interval_of_three_subjects_is_all_that_the_metric_can_be():
    """One draw in nine has one subject alone, and no error to divide by."""
    assert intervals(scored(np.array([60, 70, 80]), 100))["accuracy"] == (0, 100)


def test_an_interval_is_wider_than_percentiles_by_about_the_t_of_few_subjects():
    matrices = subjects(20)
    percentiles = stats.bootstrap(
        (np.arange(20),),
        lambda drawn: of_confusion(matrices[0][drawn].sum(axis=0))["accuracy"],
        n_resamples=2000,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(3),
    ).confidence_interval
    low, high = intervals(matrices)["accuracy"]
    # t of 19 degrees of freedom over z, and the deviation of a sample over that of the resamples:
    # 1.068 x 1.026, and the skewness
    assert 1.03 < (high - low) / (percentiles.high - percentiles.low) < 1.35


def test_intervals_over_subjects_are_wider_than_those_over_epochs():
    matrices = subjects(15)
    pooled = matrices[0].sum(axis=0)
    over_epochs = stats.binomtest(int(np.trace(pooled)), int(pooled.sum())).proportion_ci()
    low, high = intervals(matrices)["accuracy"]
    assert high - low > 2 * 100 * (over_epochs.high - over_epochs.low)


def test_subjects_of_two_systems_are_drawn_together():
    matrices = subjects(15)
    better = matrices + 5 * np.eye(5, dtype=int)
    low, high = intervals(better, matrices)["accuracy"]
    (ours, _), (_, theirs) = (intervals(m)["accuracy"] for m in (better, matrices))
    assert low > 0 and high < theirs - ours
    assert intervals(matrices, better)["accuracy"][0] < 0
    assert intervals(matrices, matrices)["kappa"] == (0, 0)


def test_the_same_call_gives_the_same_interval():
    matrices = subjects(9, seeds=3)
    assert intervals(matrices) == intervals(matrices)


def alike(accuracies, number=40, epochs=1000):
    """(seeds, number, 5, 5) of seeds that have the same accuracy in every subject."""
    matrices = np.concatenate(
        [scored(np.full(number, round(epochs * share)), epochs) for share in accuracies]
    )
    return matrices


def test_where_seeds_alone_differ_the_interval_is_that_of_t_over_seeds():
    shares = [0.70, 0.72, 0.71]
    low, high = intervals(alike(shares))["accuracy"]
    half = stats.t.ppf(0.975, 2) * 100 * np.std(shares, ddof=1) / np.sqrt(3)
    # 5,000 draws: the 2.5 % quantile of t with 2 degrees of freedom is 4.30, deviation 0.13
    assert [low, high] == pytest.approx([71 - half, 71 + half], abs=4 * 0.13 / 4.3 * half)


def test_seeds_of_two_systems_are_drawn_apart():
    one, other = alike([0.70, 0.72, 0.71]), alike([0.70, 0.72, 0.71])
    low, high = intervals(one, other)["accuracy"]
    # Welch's interval has 4 degrees of freedom where both deviations are the same
    half = stats.t.ppf(0.975, 4) * np.sqrt(2 / 3)
    assert low < -0.9 * half and high > 0.9 * half
    assert intervals(one[:1], other[:1])["accuracy"] == (0, 0)


def test_a_further_seed_that_differs_widens_the_interval_and_one_that_is_the_same_does_not():
    matrices = subjects(20)
    same = np.concatenate([matrices] * 3)
    assert intervals(same)["MF1"] == pytest.approx(intervals(matrices)["MF1"])
    differing = np.concatenate([matrices, matrices + 3 * np.eye(5, dtype=int), matrices])
    (low, high), (first, last) = (intervals(m)["MF1"] for m in (differing, matrices))
    assert high - low > last - first


def test_seeds_are_averaged():
    pooled = subjects(6, seeds=3).sum(axis=1)
    for metric, values in of_confusion(pooled).items():
        assert estimate(pooled)[metric] == pytest.approx(values.mean())
        assert deviation_over_seeds(pooled)[metric] == pytest.approx(values.std(ddof=1))
    matrices = subjects(6, seeds=3)
    for metric, values in each(matrices).items():
        own = np.mean([of_confusion(matrices[seed])[metric] for seed in range(3)], axis=0)
        assert values == pytest.approx(own)


@pytest.mark.filterwarnings("error")
def test_a_single_subject_has_no_interval_and_a_single_seed_no_deviation():
    assert np.isnan(list(intervals(subjects(1)).values())).all()
    assert np.isnan(list(intervals(subjects(1), subjects(1)).values())).all()
    assert np.isnan(list(intervals(np.empty((0, 0, 5, 5))).values())).all()
    assert np.isnan(list(deviation_over_seeds(subjects(1)[:, 0]).values())).all()
    two = deviation_over_seeds(alike([0.7, 0.8], number=1)[:, 0])
    assert two["accuracy"] == pytest.approx(10 / np.sqrt(2))
    assert np.isnan(list(estimate(np.empty((0, 5, 5))).values())).all()
    assert set(intervals(subjects(1))) == set(METRICS)


@pytest.mark.filterwarnings("error")
def test_an_interval_stays_within_what_a_metric_can_be_and_two_subjects_tell_next_to_nothing():
    two = scored(np.array([60, 80]), 100)
    assert intervals(two)["accuracy"] == (0, 100)
    assert intervals(two, two[:, ::-1])["accuracy"] == (-100, 100)
    assert intervals(scored(np.full(5, 90), 90))["accuracy"] == (100, 100)
    low, high = intervals(subjects(3))["kappa"]
    assert -1 <= low < high <= 1


@pytest.mark.filterwarnings("error")
def test_a_metric_that_does_not_exist_has_no_interval():
    assert np.isnan(intervals(scored(np.full(4, 50), 50))["kappa"]).all()  # a single stage


def test_a_mean_over_seeds_beside_a_published_value_as_worked_out_by_hand():
    values = np.array([83.0, 83.4, 83.8])  # deviation 0.4
    found = beside([values], [1.0], 83.3)
    assert found.difference == pytest.approx(0.1)
    assert found.within == pytest.approx(0.1 + 2.919986 * 0.4 / np.sqrt(3))
    assert found.expected == pytest.approx(4.302653 * 0.4 * np.sqrt(4 / 3))
    gain = beside([values, values - 1], [1.0, -1.0], 1.0)
    assert gain.difference == pytest.approx(0)
    # Two groups alike: Welch's degrees of freedom are 4, and variances add up.
    assert gain.within == pytest.approx(stats.t.ppf(0.95, 4) * 0.4 * np.sqrt(2 / 3))
    assert gain.expected == pytest.approx(stats.t.ppf(0.975, 4) * 0.4 * np.sqrt(2 * 4 / 3))
    assert beside([np.full(3, 2.0)], [1.0], 2.1).within == pytest.approx(0.1)


def test_wilcoxon_is_scipys_and_leaves_out_subjects_without_a_metric():
    differences = np.random.default_rng(0).normal(0.5, 1, 20)
    assert wilcoxon(np.append(differences, np.nan)) == stats.wilcoxon(differences).pvalue
    assert wilcoxon(np.zeros(5)) == 1
    assert np.isnan(wilcoxon(np.array([np.nan])))


def scored(right, epochs):
    """Confusion matrices (1, n, 5, 5) of subjects with so many of their epochs right."""
    matrices = np.zeros((1, len(right), 5, 5), int)
    matrices[0, :, 0, 0], matrices[0, :, 0, 1] = right, epochs - right
    return matrices


def test_subjects_tie_in_wilcoxon_where_their_counts_do():
    random = np.random.default_rng(0)
    right, more = random.integers(500, 990, 75), random.integers(-9, 11, 75)
    ours, theirs = (each(scored(x, 1000))["accuracy"] for x in (right + more, right))
    exact = stats.wilcoxon(more).pvalue
    assert wilcoxon(ours - theirs) == exact
    assert stats.wilcoxon(ours - theirs).pvalue != pytest.approx(exact, rel=1e-3)


def test_subjects_of_different_length_tie_where_their_fractions_do():
    # 1/4096 and 1/2048 of the epochs, of the accuracies of which the tenth decimals are not 0.
    epochs = np.array([4096, 4096, 4096, 2048, 2048, 1024] * 3)
    gained = np.array([2, -2, 1, 1, -1, 1] * 3)
    right = np.random.default_rng(1).integers(700, 1000, len(epochs))
    ours, theirs = (each(scored(x, epochs))["accuracy"] for x in (right + gained, right))
    assert wilcoxon(ours - theirs) == stats.wilcoxon(gained * (4096 // epochs)).pvalue


def test_seeds_in_another_order_are_no_difference():
    matrices = subjects(20, seeds=3)
    again = matrices[[2, 0, 1]]
    for metric, values in each(matrices).items():
        noise = values - each(again)[metric]
        assert noise.any(), metric
        assert not without_rounding(noise).any() and wilcoxon(noise) == 1
        assert corrected_t(noise, 0.5) == 1


def test_without_rounding_differences_are_told_apart_and_tied_as_they_are():
    step = (
        100 / 4096
    )  # 0.0244140625: the tenth decimal is a 5, which rounding might send either way
    found = without_rounding(
        np.array([step - 3e-15, -step - 3e-15, step, np.nan, -3e-15, 0.5 - 1e-14, 2 * step])
    )
    assert found[0] == found[2] == -found[1] and found[0] == pytest.approx(step, abs=1e-9)
    assert np.isnan(found[3]) and found[4] == 0 and found[5] == 0.5
    assert without_rounding(np.array([8e-10])).tolist() == [0]
    assert found[6] - found[2] == pytest.approx(step, abs=2e-9)
    apart = np.array([1e-6, -2e-6, 3e-6])  # 100/(10 * 3000 * 3000) and more
    assert without_rounding(apart).tolist() == apart.tolist()
    assert without_rounding(np.array([])).size == 0


def test_p_of_many_subjects_is_not_written_as_0():
    assert 0 < wilcoxon(np.arange(1.0, 6000)) < 1e-300


def test_holm_as_worked_out_by_hand():
    # 0.01 x 4, 0.02 x 3, 0.04 x 2, 0.9 x 1, each as large as the one before at least
    p = np.array([0.04, 0.01, np.nan, 0.9, 0.02])
    assert holm(p) == pytest.approx([0.08, 0.04, np.nan, 0.9, 0.06], nan_ok=True)
    assert holm(np.array([0.02, 0.021])) == pytest.approx([0.04, 0.04])
    assert holm(np.array([0.6, 0.7])) == pytest.approx([1, 1])
    assert np.isnan(holm(np.array([np.nan]))).all()


def test_corrected_t_as_worked_out_by_hand():
    # mean 2, variance 1, k = 3: t = 2 / sqrt(1/3 + 1/2) = 2.1909, 2 degrees of freedom
    differences = np.array([1.0, 2.0, 3.0, np.nan])
    t = 2 / np.sqrt(1 / 3 + 1 / 2)
    assert corrected_t(differences, 0.5) == pytest.approx(2 * (1 - stats.t(2).cdf(t)))
    plain = stats.ttest_1samp([1.0, 2.0, 3.0], 0).pvalue
    assert corrected_t(differences, 0.0) == pytest.approx(plain)
    # mean 2, variance 2, k = 2
    two = 2 * stats.t(1).sf(2 / np.sqrt(2 * (1 / 2 + 1 / 4)))
    assert corrected_t(np.array([1.0, 3.0]), 0.25) == pytest.approx(two)
    assert corrected_t(differences, 0.5) > plain
    assert np.isnan(corrected_t(np.array([1.0]), 0.5))
    assert corrected_t(np.zeros(3), 0.5) == 1
    # Three tenths do not add up to three times a tenth in floating point; their variance is 0.
    assert corrected_t(np.array([0.1, 0.1, 0.1 + 1e-14]), 0.5) == 0

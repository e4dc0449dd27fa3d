import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, cohen_kappa_score

from xsleep.metrics import METRICS, of_confusion
from xsleep.statistics import (
    RESAMPLES,
    corrected_t,
    deviation_over_seeds,
    each,
    estimate,
    holm,
    interval,
    intervals,
    resampled,
    wilcoxon,
    without_rounding,
)


def subjects(number, seeds=1, seed=0):
    """Confusion matrices (seeds, number, 5, 5) of subjects of different length and difficulty."""
    random = np.random.default_rng(seed)
    right = random.uniform(0.4, 0.95, number)[None, :, None, None]
    rates = 8 * (np.eye(5) * right + (1 - np.eye(5)) * (1 - right) / 4)
    return random.poisson(rates * random.uniform(0.5, 3, (1, number, 1, 1)), (seeds, number, 5, 5))


def epochs(matrix):
    return np.repeat(np.indices((5, 5)).reshape(2, -1), matrix.ravel().astype(int), axis=1)


def test_resamples_are_of_whole_subjects_against_scipy_bootstrap():
    matrices = subjects(15)
    for metric, score in (("accuracy", accuracy_score), ("kappa", cohen_kappa_score)):

        def statistic(drawn, score=score, scale=100 if metric == "accuracy" else 1):
            return scale * score(*epochs(matrices[0][drawn].sum(axis=0)))

        theirs = stats.bootstrap(
            (np.arange(15),),
            statistic,
            n_resamples=1000,
            vectorized=False,
            method="percentile",
            rng=np.random.default_rng(3),
        )
        low, high = intervals(matrices)[metric]
        width = high - low
        assert low == pytest.approx(theirs.confidence_interval.low, abs=0.08 * width)
        assert high == pytest.approx(theirs.confidence_interval.high, abs=0.08 * width)


def test_intervals_over_subjects_are_wider_than_those_over_epochs():
    matrices = subjects(15)
    pooled = matrices[0].sum(axis=0)
    over_epochs = stats.binomtest(int(np.trace(pooled)), int(pooled.sum())).proportion_ci()
    low, high = intervals(matrices)["accuracy"]
    assert high - low > 2 * 100 * (over_epochs.high - over_epochs.low)


def test_pairs_are_drawn_together():
    matrices = subjects(15)
    better = matrices + 5 * np.eye(5, dtype=int)
    ours, theirs = resampled(better)["accuracy"], resampled(matrices)["accuracy"]
    paired = interval(ours - theirs)
    apart = interval(np.random.default_rng(0).permutation(ours) - theirs)
    assert paired[0] > 0 and paired[1] - paired[0] < apart[1] - apart[0]
    assert (resampled(matrices)["kappa"] == resampled(matrices)["kappa"]).all()


def test_seeds_are_averaged_over_the_same_subjects():
    matrices = subjects(6, seeds=3)
    one_by_one = [resampled(matrices[[seed]]) for seed in range(3)]
    for metric, values in resampled(matrices).items():
        assert values.shape == (RESAMPLES,)
        assert values == pytest.approx(np.mean([one[metric] for one in one_by_one], axis=0))
    pooled = matrices.sum(axis=1)
    for metric, values in of_confusion(pooled).items():
        assert estimate(pooled)[metric] == pytest.approx(values.mean())
        assert deviation_over_seeds(pooled)[metric] == pytest.approx(values.std(ddof=1))
        own = np.mean([of_confusion(matrices[seed])[metric] for seed in range(3)], axis=0)
        assert each(matrices)[metric] == pytest.approx(own)


@pytest.mark.filterwarnings("error")
def test_a_single_subject_has_no_interval_and_a_single_seed_no_deviation():
    assert np.isnan(list(intervals(subjects(1)).values())).all()
    assert np.isnan(list(deviation_over_seeds(subjects(1)[:, 0]).values())).all()
    assert np.isnan(list(estimate(np.empty((0, 5, 5))).values())).all()
    assert set(intervals(subjects(1))) == set(METRICS)


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
    assert corrected_t(differences, 0.5) > plain
    assert np.isnan(corrected_t(np.array([1.0]), 0.5))
    assert corrected_t(np.zeros(3), 0.5) == 1
    # Three tenths do not add up to three times a tenth in floating point; their variance is 0.
    assert corrected_t(np.array([0.1, 0.1, 0.1 + 1e-14]), 0.5) == 0

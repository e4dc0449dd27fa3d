"""The benchmark of a step on a GPU, with a tiny network on the CPU."""

import csv
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import pytest

from tests.helpers.recordings import ROOT
from tests.workflow.test_workflow import environment
from xsleep.networks.fast import convolution

SCRIPT = ROOT / "benchmarks/gpu_step.py"


@pytest.fixture(scope="module")
def gpu_step():
    """The script as a module."""
    with pytest.MonkeyPatch.context() as context:
        context.syspath_prepend(SCRIPT.parent)
        import gpu_step

        yield gpu_step


def test_all_of_it_is_measured_in_one_run(tmp_path, gpu_step):
    figures = tmp_path / "figures.csv"
    done = subprocess.run(
        [sys.executable, SCRIPT, "--tiny", "--output", figures],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(ROOT), "PATH": "/nowhere"},
    )
    assert done.returncode == 0, done.stderr
    with figures.open() as file:
        rows = list(csv.DictReader(file))
    measured = {(row["name"], row["part"], row["quantity"]): row["value"] for row in rows}
    missing = {name for name, _, quantity in measured if quantity in ("failed", "not measured")}
    assert missing == {"in several processes by MPS"}, done.stdout
    assert "nvidia-cuda-mps-control" in measured["in several processes by MPS", "", "not measured"]
    assert {name for name, *_ in measured} == {*gpu_step.measurements(gpu_step.TINY)}
    for variant in (*gpu_step.MAIN, *gpu_step.CANDIDATES, *gpu_step.OTHERS):
        assert float(measured[variant.name, "", "step"]) > 0
        # On a CPU every variant computes the same, as there are neither kernels nor streams.
        assert float(measured[variant.name, "", "losses off by"]) == 0
        assert float(measured[variant.name, "", "gradients off by"]) == 0
    for name in ("in several processes", "in one process, each on a stream"):
        for folds in gpu_step.TINY.at_once:
            together = float(measured[name, f"{folds} at once", "each step"])
            assert together / folds == float(measured[name, f"{folds} at once", "a step of all"])
    shares = [float(v) for (n, _, q), v in measured.items() if (n, q) == (PARTS, "share")]
    assert len(shares) > 5 and abs(sum(shares) - 100) < 1e-9
    assert float(measured["one seed twice", "", "tensors that differ after 20 steps"]) == 0
    for row in rows:
        assert row["device"] == "cpu" and row["command"].endswith(f"--tiny --output {figures}")


PARTS = "parts of the default"


def test_a_variant_that_computes_something_else_is_shown(gpu_step, monkeypatch):
    """Here with another slope of the activation than the plain functions have."""
    list(gpu_step.measured(gpu_step.PLAIN, gpu_step.TINY))
    monkeypatch.setattr(convolution, "SLOPE", 0.5)
    figures = gpu_step.measured(gpu_step.DEFAULT, gpu_step.TINY)
    found = {figure.quantity: figure.value for figure in figures}
    assert found["losses off by"] > 0
    assert found["gradients off by"] > 1e-3


def test_what_fails_is_a_line_and_what_was_measured_before_stays(gpu_step, capsys):
    def failing():
        yield gpu_step.Figure("step", 1.5, "ms")
        raise RuntimeError("out of\nmemory")

    assert len(gpu_step.told("it", failing, 1e9)) == 2
    assert capsys.readouterr().out == "it: step 1.5 ms, failed RuntimeError: out of memory\n"


def test_what_was_measured_is_written_before_the_next_begins(gpu_step, monkeypatch, tmp_path):
    """A fault of a GPU may end the process, and an interruption does."""

    def ended():
        raise KeyboardInterrupt

    of = {"one": lambda: [gpu_step.Figure("step", 1.5, "ms")], "other": ended}
    monkeypatch.setattr(gpu_step, "measurements", lambda scale: of)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    file = tmp_path / "figures.csv"
    monkeypatch.setattr(sys, "argv", ["gpu_step.py", "--tiny", "--output", str(file)])
    with pytest.raises(KeyboardInterrupt):
        gpu_step.main()
    (row,) = csv.DictReader(file.read_text().splitlines())
    assert (row["name"], row["quantity"], row["value"]) == ("one", "step", "1.5")


def test_a_name_that_nothing_has_is_refused(gpu_step, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(sys, "argv", ["gpu_step.py", "--tiny", "--only", "grph"])
    with pytest.raises(SystemExit):
        gpu_step.main()
    assert capsys.readouterr().err.endswith("error: --only grph: nothing has such a name\n")


def test_a_profiler_that_sees_no_kernel_is_a_line(gpu_step, monkeypatch, capsys):
    """As where a container does not let it."""

    @contextmanager
    def blind(activities):
        yield SimpleNamespace(key_averages=list)

    monkeypatch.setattr(gpu_step, "profile", blind)
    gpu_step.told("parts", partial(gpu_step.parts, gpu_step.DEFAULT, gpu_step.TINY), 1e9)
    assert capsys.readouterr().out == "parts: not measured the profiler saw no kernel\n"


def test_nothing_is_begun_once_the_time_is_over(gpu_step, capsys):
    gpu_step.told("it", pytest.fail, 0)
    assert capsys.readouterr().out == "it: not measured 0 s are over\n"


@pytest.mark.parametrize(
    ("kernel", "group"),
    [
        ("_lstm_forward", "LSTM forwards"),
        ("_lstm_backward", "LSTM backwards"),
        ("_lstm_product", "products of the LSTM"),
        ("_gru_gates", "GRU forwards"),
        ("_gru_state", "GRU forwards"),
        ("_gru_state_backward", "GRU backwards"),
        ("_gru_gates_backward", "GRU backwards"),
        ("_leaky_dropout_forward", "fused around convolutions"),
        ("sm80_xmma_gemm_f32f32_f32f32_f32_tn_n_tilesize64x64x8", "products of matrices"),
        (
            "void cutlass::Kernel2<cutlass_80_simt_sgemm_128x64_8x5_nn_align1>",
            "products of matrices",
        ),
        ("void gemvNSP_kernel<float, float, float>", "products of matrices"),
        ("sm90_xmma_fprop_implicit_gemm_f32f32", "convolutions of the library"),
        ("void cudnn::cnn::wgrad2d_grouped_direct_kernel", "convolutions of the library"),
        ("void at::native::multi_tensor_apply_kernel<FusedAdamMathFunctor<float, 4>>", "optimiser"),
        (
            "void at::native::distribution_elementwise_grid_stride_kernel<unsigned long>",
            "random numbers",
        ),
        ("void at::native::reduce_kernel<512, 1, at::native::ReduceOp<float>>", "sums"),
        ("void at::native::vectorized_elementwise_kernel<4, CUDAFunctor_add>", "elementwise"),
        ("void at::native::elementwise_kernel<128, 2, direct_copy_kernel_cuda>", "copies"),
        ("Memcpy DtoD (Device -> Device)", "copies"),
        ("void at::native::softmax_warp_forward", "other"),
    ],
)
def test_a_kernel_is_in_the_part_that_its_name_says(gpu_step, kernel, group):
    assert gpu_step.group_of(kernel) == group

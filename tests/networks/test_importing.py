"""Released TensorFlow networks to checkpoints, through the command `xsleep import-weights`."""

import re
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from tests.helpers.recordings import SHARED, existing, make_part
from tests.tensorflow.networks import FOLDER
from xsleep import cli
from xsleep.config.network import NetworkSettings
from xsleep.networks import build, checkpoints
from xsleep.networks.released import variables
from xsleep.networks.tensorflow import read_checkpoint
from xsleep.scoring import probabilities

TINY = NetworkSettings(
    filters=(2, 2, 2, 2, 2, 3, 3, 3, 4),
    kernel=5,
    gru_units=3,
    filterbank=6,
    frame_units=2,
    attention=3,
    sequence_units=4,
    sequence_length=7,
)


def released(system, channels, settings=TINY, seed=1):
    network = build(system, channels, settings, seed)
    return {name: value.numpy() for name, value in variables(network).items()}


def run(*arguments):
    return cli.main(["import-weights", *map(str, arguments)])


def refused(folder, capsys, file):
    """The line that is printed instead of a checkpoint."""
    out = folder / "new" / "model.safetensors"
    assert run(file, out) == 1
    assert not out.parent.exists()
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    return line


def altered(folder, given, **changes):
    """An npz file of variables, some of them changed; ``None`` leaves one out."""
    given = {n: v for n, v in (given | changes).items() if v is not None}
    np.savez(folder / "given.npz", **given)
    return folder / "given.npz"


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("system", ["XSleepNet2", "Naive Fusion", "ARNN+RNN", "FCNN+RNN"])
def test_system_channels_and_sizes_are_recognised(tmp_path, capsys, system, channels):
    given = released(system, channels)
    out = tmp_path / "new" / "model.safetensors"
    assert run(altered(tmp_path, given), out) == 0
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    network, found, names = checkpoints.load(out)
    assert (found, names) == (system, ("EEG", "EOG", "EMG")[:channels])
    for name, value in variables(network).items():
        np.testing.assert_array_equal(value, given[name])
    count = sum(parameter.numel() for parameter in network.parameters())
    (line,) = capsys.readouterr().out.splitlines()
    assert f"{system}, channels {'-'.join(names)}, {count:,} parameters" in line


@pytest.mark.parametrize(
    ("file", "channels", "parameters"),
    [
        ("1chan_eeg", ("EEG",), 164_133),
        ("1chan_eog", ("EOG",), 164_133),
        ("2chan_eegeog", ("EEG", "EOG"), 184_645),
    ],
)
def test_the_released_mass_networks_are_imported(tmp_path, reference, file, channels, parameters):
    folder = existing(SHARED / "data/released_checkpoints") / file / "checkpoint"
    given = (
        reference / f"parity/seqsleepnet_mass_{file}.npz",
        folder / "pretrained_model.ckpt",
        folder / "pretrained_model.ckpt.index",
    )
    for path in given:
        assert run(path, tmp_path / f"{path.name}.safetensors") == 0
    one, *others = (tmp_path / f"{path.name}.safetensors" for path in given)
    assert [other.read_bytes() == one.read_bytes() for other in others] == [True, True]
    network, system, names = checkpoints.load(one)
    assert (system, names, network.settings) == ("ARNN+RNN", channels, NetworkSettings())
    assert sum(p.numel() for p in network.parameters()) == parameters


@pytest.mark.parametrize(("channels", "parameters"), [(1, 5_736_831), (3, 5_778_847)])
def test_a_network_of_the_released_size_is_recognised(tmp_path, channels, parameters):
    file = altered(tmp_path, released("XSleepNet2", channels, NetworkSettings()))
    assert run(file, tmp_path / "a.safetensors") == 0
    network, system, _ = checkpoints.load(tmp_path / "a.safetensors")
    assert (system, network.settings) == ("XSleepNet2", NetworkSettings())
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_an_imported_network_scores_as_the_one_it_came_from(tmp_path):
    source = build("XSleepNet2", 2, TINY, seed=3).eval()
    file = altered(tmp_path, released("XSleepNet2", 2, seed=3))
    run(file, tmp_path / "a.safetensors")
    part = make_part(tmp_path / "night", epochs=12, channels=("EEG", "EOG"))
    with torch.inference_mode():
        ours, theirs = (
            probabilities.score(network, [part], None)[0].probabilities
            for network in (source, checkpoints.load(tmp_path / "a.safetensors")[0])
        )
    for branch, values in ours.items():
        np.testing.assert_array_equal(values, theirs[branch])


def test_the_filterbanks_name_the_channel(tmp_path):
    given = released("ARNN+RNN", 1)
    weight = given.pop("filterbank-layer-eeg/Variable")
    file = altered(tmp_path, given, **{"filterbank-layer-emg/Variable": weight})
    run(file, tmp_path / "a.safetensors")
    assert checkpoints.load(tmp_path / "a.safetensors")[2] == ("EMG",)


# One bad variable of each layer; the sizes that it tells are told by others as well.
WRONG = [
    ("XSleepNet2", 1, "deep_all_cnn_layer/all_conv_block/enc_3/W"),
    ("XSleepNet2", 1, "deep_all_cnn_layer/all_conv_block/enc_8/b"),
    ("XSleepNet2", 1, "deep_epoch_rnn_layer/fw/multi_rnn_cell/cell_0/gru_cell/candidate/bias"),
    ("XSleepNet2", 1, "deep_epoch_rnn_layer/bw/multi_rnn_cell/cell_1/gru_cell/gates/kernel"),
    ("XSleepNet2", 2, "seq_filterbank-layer-eog/Variable"),
    ("XSleepNet2", 1, "deep_output_layer/deep_output/weights"),
    ("ARNN+RNN", 1, "filterbank-layer-eeg/Variable"),
    ("ARNN+RNN", 2, "filterbank-layer-eeg/Variable"),
    ("ARNN+RNN", 1, "frame_rnn_layer/fw/BNLSTMCell/W_xh"),
    ("ARNN+RNN", 1, "frame_rnn_layer/bw/BNLSTMCell/W_hh"),
    ("ARNN+RNN", 1, "frame_attention_layer/Variable"),
    ("ARNN+RNN", 1, "frame_attention_layer/Variable_2"),
    ("ARNN+RNN", 1, "epoch_rnn_layer/fw/BNLSTMCell/c/pop_mean"),
    ("ARNN+RNN", 1, "epoch_rnn_layer/bw/BNLSTMCell/W_hh"),
    ("ARNN+RNN", 1, "output_layer/output/biases"),
    ("FCNN+RNN", 1, "conv_eeg/enc_0/W"),
]


@pytest.mark.parametrize(("system", "channels", "name"), WRONG)
def test_a_misshapen_variable_is_named_with_both_shapes(tmp_path, capsys, system, channels, name):
    given = released(system, channels, NetworkSettings(gru_units=8))
    shape = given[name].shape
    wrong = np.zeros((*shape[:-1], shape[-1] + 1), "f4")
    file = altered(tmp_path, given, **{name: wrong})
    expected = f"error: {file}: variable {name}: the network has {shape}, the file {wrong.shape}"
    assert refused(tmp_path, capsys, file) == expected


@pytest.mark.parametrize(("system", "channels", "name"), WRONG)
def test_a_missing_variable_is_named_with_its_shape(tmp_path, capsys, system, channels, name):
    given = released(system, channels, NetworkSettings(gru_units=8))
    file = altered(tmp_path, given, **{name: None})
    line = refused(tmp_path, capsys, file)
    assert f"variable {name}: the network has {given[name].shape}, the file missing" in line


@pytest.mark.parametrize("name", ["beta1_power", "seq_filterbank-layer-ecg/Variable"])
def test_a_surplus_variable_is_named(tmp_path, capsys, name):
    value = np.ones((129, 6), "f4")
    file = altered(tmp_path, released("XSleepNet2", 1), **{name: value})
    line = refused(tmp_path, capsys, file)
    assert f"variable {name}: the network has no such variable, the file (129, 6)" in line


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_a_weight_that_is_not_finite_is_named(tmp_path, capsys, value):
    name = "frame_attention_layer/Variable"
    bad = released("ARNN+RNN", 1)[name].astype("f8")
    bad[1, 1] = value
    line = refused(tmp_path, capsys, altered(tmp_path, released("ARNN+RNN", 1), **{name: bad}))
    assert line.endswith(f"variable {name} of shape (4, 3): 1 of 12 values are NaN or infinite")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "not an npz file"),
        (b"not a zip", "not an npz file"),
        ({"a": np.array([{}], object)}, "holds pickled objects, which are not read"),
        ({"a": np.array(["x"])}, "variable a of shape (1,): of type <U1"),
        ({"a": np.zeros(2, "f2")}, "variable a of shape (2,): rounded to float16; networks are"),
        ({"a": np.zeros(2)}, "none of its 1 variables has a name of a released"),
        ({}, "none of its 0 variables has a name of a released"),
    ],
)
def test_a_file_that_is_no_npz_of_variables_is_one_line(tmp_path, capsys, content, message):
    file = tmp_path / "given.npz"
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        np.savez(file, **content)
    line = refused(tmp_path, capsys, file)
    assert line.startswith(f"error: {file}: ") and message in line


def test_a_damaged_npz_is_one_line(tmp_path, capsys):
    file = altered(tmp_path, released("ARNN+RNN", 1))
    content = bytearray(file.read_bytes())
    content[300:3000] = bytes(2700)
    file.write_bytes(content)
    assert "not a readable npz file" in refused(tmp_path, capsys, file)


def test_a_damaged_header_that_claims_terabytes_is_one_line(tmp_path, capsys):
    header = {"descr": "<f4", "fortran_order": False, "shape": (10**13,)}
    with zipfile.ZipFile(tmp_path / "given.npz", "w") as file, file.open("a.npy", "w") as entry:
        np.lib.format.write_array_header_1_0(entry, header)
    line = refused(tmp_path, capsys, tmp_path / "given.npz")
    assert "not a readable npz file (Unable to allocate" in line


def test_an_npy_file_is_one_line(tmp_path, capsys):
    np.save(tmp_path / "given.npy", np.zeros(3))
    assert "not an npz file" in refused(tmp_path, capsys, tmp_path / "given.npy")


def test_the_output_is_a_checkpoint_by_name(tmp_path, capsys):
    file = altered(tmp_path, released("ARNN+RNN", 1))
    before = file.read_bytes()
    assert run(file, file) == 1
    assert "let it end with .safetensors" in capsys.readouterr().err
    assert file.read_bytes() == before


def copied(folder, *others):
    """Folder with a checkpoint, and with copies of it under other names."""
    shutil.copytree(FOLDER / "seqsleepnet_1chan", folder)
    for other in others:
        for path in (folder / "checkpoint").glob("best_model*"):
            shutil.copy(path, path.with_name(f"{other}.{path.name.partition('.')[2]}"))
    return folder / "checkpoint"


def test_a_folder_is_imported_as_its_checkpoint_is(tmp_path):
    folder = copied(tmp_path / "n1")
    prefix = folder / "best_model_acc"
    given = [folder.parent, folder, prefix, prefix.with_name("best_model_acc.index")]
    outs = [tmp_path / f"{number}.safetensors" for number in range(4)]
    assert [run(*both) for both in zip(given, outs, strict=True)] == [0, 0, 0, 0]
    assert len({out.read_bytes() for out in outs}) == 1


@pytest.mark.parametrize(
    ("newest", "taken", "left"),
    [
        ("/cluster/home/n1/checkpoint/model_step200.ckpt", "model_step200.ckpt", "best_model_acc"),
        ("/cluster/home/n1/checkpoint/model_step100.ckpt", "best_model_acc", "model_step200.ckpt"),
        (None, "best_model_acc", "model_step200.ckpt"),
    ],
)
def test_of_several_checkpoints_the_newest_is_taken_or_the_best(
    tmp_path, capsys, newest, taken, left
):
    folder = copied(tmp_path / "n1", "model_step200.ckpt")
    (folder / "checkpoint").unlink()
    if newest:
        (folder / "checkpoint").write_text(
            f'model_checkpoint_path: "{newest}"\nall_model_checkpoint_paths: "{newest}"\n'
        )
    assert run(folder.parent, tmp_path / "a.safetensors") == 0
    line = capsys.readouterr().out.strip()
    assert line.endswith(f"; read from {folder / taken}, not from {left} beside it")


def test_several_checkpoints_that_nothing_tells_apart_are_one_line(tmp_path, capsys):
    folder = copied(tmp_path / "n1", "model_step100.ckpt", "model_step200.ckpt")
    for path in [folder / "checkpoint", *folder.glob("best_model*")]:
        path.unlink()
    line = refused(tmp_path, capsys, folder.parent)
    assert line == (
        f"error: {folder}: holds the checkpoints model_step100.ckpt, model_step200.ckpt, and no "
        "file checkpoint that names one of them; name one"
    )


def test_a_folder_without_a_checkpoint_is_one_line(tmp_path, capsys):
    (tmp_path / "n1" / "checkpoint").mkdir(parents=True)
    line = refused(tmp_path, capsys, tmp_path / "n1")
    assert line.startswith(
        f"error: {tmp_path / 'n1'}: neither it nor a folder checkpoint in it has"
    )


def test_a_checkpoint_without_its_data_is_one_line(tmp_path, capsys):
    (data,) = (folder := copied(tmp_path / "n1")).glob("*.data*")
    data.unlink()
    line = refused(tmp_path, capsys, folder)
    assert line == f"error: {data}: no such file; a checkpoint has an .index and a .data file"


def test_the_system_is_told_where_the_variables_are_the_same(tmp_path, capsys):
    given, out = FOLDER / "xsleepnet_1chan", tmp_path / "a.safetensors"
    run(given, out)
    line = "; XSleepNet1 and XSleepNet (equal weights) would have the same variables (--system)"
    assert capsys.readouterr().out.strip().endswith(line)
    run(given, out, "--system", "XSleepNet1")
    assert "same variables" not in capsys.readouterr().out
    assert checkpoints.load(out)[1] == "XSleepNet1"


@pytest.mark.parametrize("system", ["DeepSleepNet+", "XSleepNet3"])
def test_a_checkpoint_of_another_system_is_one_line(tmp_path, capsys, system):
    out = tmp_path / "a.safetensors"
    assert run(FOLDER / "xsleepnet_1chan", out, "--system", system) == 1
    assert not out.exists()
    assert capsys.readouterr().err == (
        f"error: {FOLDER}/xsleepnet_1chan/checkpoint/best_model: the network of XSleepNet2 or "
        f"XSleepNet1 or XSleepNet (equal weights) was found, that of {system} expected; name "
        "another file, or its system\n"
    )


@pytest.mark.parametrize(
    ("name", "part", "ours", "shape"),
    [
        ("cnn_layers/conv21/weights", "[middle]", (400, 1, 1, 1), (400, 3, 1, 2)),
        ("cnn_layers/conv14/moving_mean", "", (2,), (3,)),
        ("residual_layer/residual_layer/weights", "", (48, 4), (48, 5)),
        ("epoch_rnn_layer/bw/multi_rnn_cell/cell_0/lstm_cell/kernel", "[inputs]", (48, 8), (47, 8)),
        ("epoch_rnn_layer/fw/multi_rnn_cell/cell_1/lstm_cell/w_o_diag", "", (2,), (3,)),
    ],
)
def test_a_misshapen_variable_of_deepsleepnet_is_named(tmp_path, capsys, name, part, ours, shape):
    given = read_checkpoint(FOLDER / "deepsleepnet_1chan/checkpoint/best_model_acc")
    rows = 2 if part == "[inputs]" else 0  # those of the states, which are as expected
    values = np.zeros((shape[0] + rows, *shape[1:]), "f4")
    file = altered(tmp_path, given, **{name: values})
    found = (shape[0], 1, *shape[2:]) if part == "[middle]" else shape
    assert refused(tmp_path, capsys, file) == (
        f"error: {file}: variable {name}{part}: the network has {ours}, the file {found}"
    )


def test_the_command_ends_with_status_1_and_no_traceback(tmp_path):
    command = [sys.executable, "-m", "xsleep", "import-weights", "nowhere.npz", "a.safetensors"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"error: nowhere.npz: no such file.*\n", done.stderr)

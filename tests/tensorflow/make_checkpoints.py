"""Make the checkpoints of ``networks.py`` with TensorFlow: make_checkpoints.py FOLDER.

Variables have the names and shapes of the released graphs (github.com/pquochuy/xsleepnet and
sleep_transfer_learning), with an optimiser's; the forward pass is that of evaluation. GRU, LSTM,
convolutions and pools are TensorFlow's own. Beside each checkpoint its logits are saved by branch.
"""

import os
import sys
from itertools import pairwise
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import tensorflow.compat.v1 as tf

from tests.tensorflow import networks as n

tf.disable_v2_behavior()
tf.logging.set_verbosity(tf.logging.ERROR)
cells = tf.nn.rnn_cell


def bidirectional(x, layer, cell, layers):
    """Both directions of a stack of TensorFlow's cells, side by side."""
    fw, bw = (cells.MultiRNNCell([cell() for _ in range(layers)]) for _ in range(2))
    return tf.concat(
        tf.nn.bidirectional_dynamic_rnn(fw, bw, x, dtype=tf.float32, scope=layer)[0], axis=2
    )


def step_norm(x, name, step, steps, *, offset=True):
    size = x.shape[1]
    with tf.variable_scope(name):
        scale = tf.get_variable("scale", [size])
        shift = tf.get_variable("offset", [size]) if offset else None
        mean, variance = (
            tf.get_variable(f"pop_{what}", [steps, size], trainable=False)
            for what in ("mean", "var")
        )
    return tf.nn.batch_normalization(x, mean[step], variance[step], shift, scale, 1e-5)


def bn_lstm(x, layer, units):
    """Both directions of the LSTM with recurrent batch normalisation, (N, T, F) to (N, T, 2u)."""
    steps, ways = x.shape[1], []
    for way, order in (("fw", range(steps)), ("bw", range(steps - 1, -1, -1))):
        with tf.variable_scope(f"{layer}/{way}/BNLSTMCell", reuse=tf.AUTO_REUSE):
            x_weights = tf.get_variable("W_xh", [x.shape[2], 4 * units])
            h_weights = tf.get_variable("W_hh", [units, 4 * units])
            c = h = tf.zeros([tf.shape(x)[0], units])
            hidden = {}
            for step, time in enumerate(order):
                gates = step_norm(x[:, time] @ x_weights, "xh", step, steps, offset=False)
                gates += step_norm(h @ h_weights, "hh", step, steps)
                forget, enter, leave, candidate = tf.split(gates, 4, axis=1)
                c = c * tf.sigmoid(forget) + tf.sigmoid(enter) * tf.tanh(candidate)
                h = tf.tanh(step_norm(c, "c", step, steps)) * tf.sigmoid(leave)
                hidden[time] = h
        ways.append(tf.stack([hidden[time] for time in range(steps)], axis=1))
    return tf.concat(ways, axis=2)


def triangles():
    """Linear triangles between equidistant frequencies from 0 to 50 Hz, (129, filters)."""
    corners = np.floor(257 * np.linspace(0, 50, n.FILTERBANK + 2) / 100)
    bank = [
        np.interp(np.arange(n.BINS), corners[i : i + 3], (0, 1, 0)) for i in range(n.FILTERBANK)
    ]
    return np.stack(bank, axis=1).astype("f4")


def seqsleepnet(x, prefix):
    """Time-frequency stream, (B, L, 29, 129, C) to (B, L, 2u)."""
    bands = []
    for channel, name in enumerate(("eeg", "eog", "emg")[: x.shape[-1]]):
        with tf.variable_scope(f"{prefix}filterbank-layer-{name}"):
            weight = tf.Variable(tf.zeros([n.BINS, n.FILTERBANK]))
        bank = tf.sigmoid(weight) * triangles()
        bands.append(tf.reshape(x[..., channel], [-1, n.BINS]) @ bank)
    frames = tf.reshape(tf.concat(bands, axis=1), [-1, n.FRAMES, len(bands) * n.FILTERBANK])
    z = bn_lstm(frames, f"{prefix}frame_rnn_layer", n.FRAME_UNITS)
    with tf.variable_scope(f"{prefix}frame_attention_layer"):
        shapes = [2 * n.FRAME_UNITS, n.ATTENTION], [n.ATTENTION], [n.ATTENTION]
        kernel, bias, context = (tf.Variable(tf.zeros(shape)) for shape in shapes)
    scores = tf.reduce_sum(tf.tanh(tf.tensordot(z, kernel, 1) + bias) * context, axis=2)
    weights = tf.exp(scores)
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    epochs = tf.reduce_sum(z * weights[..., None], axis=1)
    epochs = tf.reshape(epochs, [-1, n.LENGTH, 2 * n.FRAME_UNITS])
    return bn_lstm(epochs, f"{prefix}epoch_rnn_layer", n.SEQUENCE_UNITS)


def fcnn_rnn(x, prefix, block):
    """Raw stream, (B, L, 3000, C) to (B, L, 2u)."""
    channels = x.shape[-1]
    x = tf.reshape(x, [-1, n.SAMPLES, 1, channels])
    for i, (before, after) in enumerate(pairwise((channels, *n.FILTERS))):
        with tf.variable_scope(f"{block}/enc_{i}"):
            kernel = tf.get_variable("W", [n.KERNEL, 1, before, after])
            bias = tf.get_variable("b", [after])
        x = tf.nn.conv2d(x, kernel, strides=[1, 2, 1, 1], padding="SAME") + bias
        x = tf.maximum(x, 0.3 * x)
    x = tf.reshape(x, [-1, n.LENGTH, x.shape[1] * n.FILTERS[-1]])
    return bidirectional(
        x, f"{prefix}epoch_rnn_layer", lambda: cells.GRUCell(n.GRU_UNITS), n.GRU_LAYERS
    )


def batch_norm(x):
    beta, gamma = (tf.get_variable(name, [x.shape[-1]]) for name in ("beta", "gamma"))
    mean, variance = (
        tf.get_variable(f"moving_{name}", [x.shape[-1]], trainable=False)
        for name in ("mean", "variance")
    )
    return tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, beta, gamma, 1e-3))


def convolution(x, name, kernel, filters, stride):
    with tf.variable_scope(f"cnn_layers/{name}"):
        weight = tf.get_variable("weights", [*kernel, x.shape[-1], filters])
        bias = tf.get_variable("biases", [filters])
        return batch_norm(tf.nn.conv2d(x, weight, [1, stride, 1, 1], "SAME") + bias)


def deepsleepnet(x):
    """DeepSleepNet+, (B, L, 3000, C) to (B, L, 2u)."""
    x = tf.reshape(x, [-1, n.SAMPLES, 1, x.shape[-1]])
    first, others = n.DEEPSLEEPNET_FILTERS
    maps = []
    branches = (1, 50, 6, 8, (8, 4)), (2, 400, 50, 6, (4, 2))
    for branch, kernel, stride, width, (pool, last) in branches:
        y = convolution(x, f"conv{branch}1", (kernel, 3), first, stride)
        y = tf.nn.max_pool2d(y, [pool, 1], [pool, 1], "SAME")
        for i in (2, 3, 4):
            y = convolution(y, f"conv{branch}{i}", (width, 1), others, 1)
        maps.append(tf.nn.max_pool2d(y, [last, 1], [last, 1], "SAME")[:, :, 0])
    features = tf.concat(maps, axis=1)
    size, around = features.shape[1] * others, 2 * n.DEEPSLEEPNET_UNITS
    with tf.variable_scope("residual_layer/residual_layer"):
        weight, bias = (
            tf.get_variable("weights", [size, around]),
            tf.get_variable("biases", [around]),
        )
        shortcut = tf.reshape(features, [-1, size]) @ weight + bias
        with tf.variable_scope("bn"):
            shortcut = batch_norm(shortcut)
    hidden = bidirectional(
        tf.reshape(features, [-1, n.LENGTH, size]),
        "epoch_rnn_layer",
        lambda: cells.LSTMCell(n.DEEPSLEEPNET_UNITS, use_peepholes=True),
        n.DEEPSLEEPNET_LAYERS,
    )
    return hidden + tf.reshape(shortcut, [-1, n.LENGTH, around])


def output(x, name):
    """Logits (B, L, 5)."""
    with tf.variable_scope(name):
        weight = tf.get_variable("weights", [x.shape[-1], n.STAGES])
        return tf.tensordot(x, weight, 1) + tf.get_variable("biases", [n.STAGES])


def logits(system, raw, images):
    """Branch to logits of the released graph of a system."""
    if system == "DeepSleepNet+":
        return {"raw": output(deepsleepnet(raw), "output_layer/output")}
    if system == "ARNN+RNN":
        return {"time-frequency": output(seqsleepnet(images, ""), "output_layer/output")}
    if system == "FCNN+RNN":
        return {"raw": output(fcnn_rnn(raw, "", "conv_eeg"), "output_layer/output")}
    deep = fcnn_rnn(raw, "deep_", "deep_all_cnn_layer/all_conv_block")
    seq = seqsleepnet(images, "seq_")
    both = tf.concat([deep, seq], axis=2)
    if system == "Naive Fusion":
        return {"joint": output(both, "output_layer/joint_output")}
    return {
        "raw": output(deep, "deep_output_layer/deep_output"),
        "time-frequency": output(seq, "seq_output_layer/seq_output"),
        "joint": output(both, "joint_output_layer/joint_output"),
    }


def make(folder, saved):
    """Save the checkpoint and the logits of a network."""
    given = n.inputs(saved.channels)

    def device(operation):
        return f"/cpu:{int(saved.sharded and operation.name.startswith('seq_'))}"

    two = tf.ConfigProto(device_count={"CPU": 2})
    with tf.Graph().as_default(), tf.device(device), tf.Session(config=two) as session:
        places = [tf.placeholder(tf.float32, [None, *x.shape[1:]]) for x in given]
        branches = logits(saved.system, *places)
        step = tf.Variable(0, name="global_step", trainable=False)
        still = [(tf.zeros_like(variable), variable) for variable in tf.trainable_variables()]
        tf.train.AdamOptimizer().apply_gradients(still, step)  # makes the optimiser's variables
        values = {
            variable.initializer.inputs[1]: n.weights(variable.op.name, variable.shape.as_list())
            for variable in tf.global_variables()
            if variable is not step
        }
        session.run([variable.initializer for variable in tf.global_variables()], values)
        (folder / "checkpoint").mkdir(parents=True)
        tf.train.Saver(sharded=saved.sharded, save_relative_paths=True).save(
            session, str(folder / "checkpoint" / saved.prefix), write_meta_graph=False
        )
        np.savez(
            folder / "logits.npz", **session.run(branches, dict(zip(places, given, strict=True)))
        )


if __name__ == "__main__":
    for name, saved in n.NETWORKS.items():
        make(Path(sys.argv[1]) / name, saved)

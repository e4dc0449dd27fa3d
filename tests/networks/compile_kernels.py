"""Compile the kernels for a Hopper GPU, as the sizes of the released networks ask; none is needed.

Prints the most shared memory of a kernel, in bytes, after the variant and the number of sequences
of a step. Run apart from the tests, whose process has Triton interpret the kernels.
"""

from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from xsleep.config.network import NetworkSettings
from xsleep.networks import dropout
from xsleep.networks.fast import activation, kernels

HOPPER = GPUTarget("cuda", 90, 32)

SHARED_MEMORY = 227 * 1024
"""Bytes that a program may have on it, from NVIDIA's tuning guide."""

SEQUENCES = (32, 64, 128, 256, 512)

SOME = 32, 128
"""Numbers of sequences that the variants are compiled for. With 128 a product may be in parts."""

VARIANTS = {
    "tf32x3": {"PRECISION": "tf32x3"},
    "apart": {"APART": True},
    "apart, one unit": {"APART": True, "UNITS": 1},
    "apart, tf32x3": {"APART": True, "PRECISION": "tf32x3"},
    "depth 64": {"DEPTH": 64},
}
"""Constants of `kernels` that a benchmark changes."""

TYPES = dict.fromkeys(("t", "T", "N", "u"), "i32") | {"draws": "*u8"}


def shared_memory(kernel, launch):
    """Bytes that the compiled kernel asks for."""
    options = {name: value for name, value in launch.items() if name not in kernel.arg_names}
    sizes = {name: value for name, value in launch.items() if name in kernel.arg_names}
    types = TYPES | dict.fromkeys(sizes, "constexpr")
    signature = {name: types.get(name, "*fp32") for name in kernel.arg_names}
    source = ASTSource(fn=kernel, signature=signature, constexprs=sizes)
    return compile(source, target=HOPPER, options=options).metadata.shared


def recurrent(sequences):
    """Yield the kernels of both recurrent layers and their launches."""
    s = NetworkSettings()
    epochs = sequences * s.sequence_length
    for rows, u in ((sequences, s.sequence_units), (epochs, s.frame_units)):
        _, launch = kernels._by_units(2, rows, u, SHARED_MEMORY)
        yield kernels._lstm_forward, launch
        yield kernels._lstm_backward, launch
        if kernels.APART:
            for backward, columns in ((False, 4 * u), (True, u)):
                _, launch = kernels._by_tiles(2, rows, columns, kernels.APART_DEPTH)
                yield kernels._lstm_product, launch | {"BACKWARD": backward}
    _, launch = kernels._by_tiles(2, sequences, s.gru_units, kernels.DEPTH)
    for name in ("_gru_gates", "_gru_state", "_gru_gates_backward", "_gru_state_backward"):
        yield getattr(kernels, name), launch


def fused():
    """Yield the kernels around the convolutions and their launches; their batch is no constant."""
    s = NetworkSettings()
    for filters in sorted(set(s.filters)):
        for rate in (0.0, s.convolution_dropout):
            _, launch = activation._by_pairs(24, 640, filters, dropout.threshold(rate))
            yield activation._leaky_dropout_forward, launch
            yield activation._leaky_dropout_backward, launch


if __name__ == "__main__":
    before = {name: getattr(kernels, name) for values in VARIANTS.values() for name in values}
    for variant, changes in {"default": {}, **VARIANTS}.items():
        vars(kernels).update(before | changes)
        for sequences in SOME if changes else SEQUENCES:
            most = max(shared_memory(*each) for each in recurrent(sequences))
            print(variant, sequences, most, sep=": ")
    print("fused", "any", max(shared_memory(*each) for each in fused()), sep=": ")

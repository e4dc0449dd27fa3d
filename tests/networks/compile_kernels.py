"""Compile the kernels for a Hopper GPU, as the sizes of the released networks ask; none is needed.

Prints the most shared memory of a kernel, in bytes. Run apart from the tests, whose process has
Triton interpret the kernels.
"""

from triton import compile
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from xsleep.networks.fast import kernels

HOPPER = GPUTarget("cuda", 90, 32)

SHARED_MEMORY = 227 * 1024
"""Bytes that a program may have on it, from NVIDIA's tuning guide."""


def shared_memory(kernel, launch):
    """Bytes that the compiled kernel asks for."""
    options = {name: value for name, value in launch.items() if name not in kernel.arg_names}
    sizes = {name: value for name, value in launch.items() if name in kernel.arg_names}
    types = {"t": "i32", "T": "i32", "N": "i32", "u": "i32"} | dict.fromkeys(sizes, "constexpr")
    signature = {name: types.get(name, "*fp32") for name in kernel.arg_names}
    source = ASTSource(fn=kernel, signature=signature, constexprs=sizes)
    return compile(source, target=HOPPER, options=options).metadata.shared


if __name__ == "__main__":
    found = []
    # Between epochs, and between frames of 32, 128 and 512 sequences of 20 epochs.
    for rows in (32, 640, 2560, 10240):
        _, launch = kernels._by_units(2, rows, 64, SHARED_MEMORY)
        for kernel in (kernels._lstm_forward, kernels._lstm_backward):
            found.append(shared_memory(kernel, launch))
    _, launch = kernels._by_tiles(2, 32, 256)
    for name in ("_gru_gates", "_gru_state", "_gru_gates_backward", "_gru_state_backward"):
        found.append(shared_memory(getattr(kernels, name), launch))
    print(max(found))

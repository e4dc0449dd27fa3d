"""Marks of the tests that need a real GPU, which `make test-gpu` runs."""

import pytest
import torch

ON_GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU that PyTorch finds"),
    # Without kernels or a graph the numbers would be right and the point missed.
    pytest.mark.filterwarnings("error:.*without (the GPU kernels|a CUDA graph)"),
    pytest.mark.filterwarnings("error:.*deterministic"),
]

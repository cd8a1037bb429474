"""The bare loop: a federated round as a researcher would write it in plain PyTorch, without any framework.

It is the only limit that `fedface bench simulate`, `fedface bench training` and `fedface bench peers` compare with.

What it is: eager PyTorch; the network of `loadtest.bare.networks`, built of torch's own layers; SGD with momentum by
torch's fused optimiser, on all images of a client at once; network and optimiser made once a process, the weights of the
global model copied in place for each client; one thread a process, denormal numbers flushed. A round in several
processes also sums the models in place in shared memory, averages them, and spreads the class embeddings.

What it is not: the least time that the arithmetic can take. It has no kernels that are faster than torch's, no
`torch.compile`, and never several clients in one computation. FedFace's own network has faster kernels, so FedFace can be
faster than the loop. And the loop does none of a system's work: it encodes, hashes, stores, sends, checks and evaluates
nothing, it measures no loss outside its training steps, and a killed process ends it.

Benchmarks show two rows of it. The reference, `bare loop`, has tensors in torch's default layout. `bare loop,
channels-last` runs this code with weights and pixels in the layout with which torch's convolutions are faster.

This package imports torch, safetensors and no package of FedFace, so that the peers' environments can import it.
"""

from __future__ import annotations

from typing import Final

BARE_LOOP: Final = "bare loop"
BARE_LOOP_CHANNELS_LAST: Final = "bare loop, channels-last"

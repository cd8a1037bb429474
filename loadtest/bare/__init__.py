"""The bare loop: a federated round as a researcher would write it in plain PyTorch, without any framework.

It is the limit that `fedface bench simulate`, `fedface bench training` and `fedface bench peers` compare with, and the only
one. What it is: eager PyTorch; the network of `loadtest.bare.networks`, built of torch's own layers; SGD with momentum by
torch's fused optimiser, on all images of a client at once; network and optimiser made once a process, the weights of the
global model copied in place for each client; one thread a process, denormal numbers flushed. A round in several processes
besides sums the models in place in shared memory, averages them, and spreads the class embeddings.

What it is not: the least time that the arithmetic can take. It has neither faster kernels than torch's, nor
`torch.compile`, nor several clients in one computation; FedFace's own network has the first, so FedFace can be faster than
the loop. And it does none of a system's work: it encodes, hashes, stores, sends, checks and evaluates nothing, measures no
loss beside its steps, and a killed process ends it.

There are two rows of it. The reference, `bare loop`, has tensors lie as torch lays them by default. `bare loop,
channels-last` is the same code with weights and pixels in the layout that torch's convolutions are faster with.

This package needs torch, safetensors and nothing of ours, so that the peers' own environments can import it.
"""

from __future__ import annotations

from typing import Final

BARE_LOOP: Final = "bare loop"
BARE_LOOP_CHANNELS_LAST: Final = "bare loop, channels-last"

"""Google's speech embedding, trained on to tell synthetic speech.

The embedding ("Training keyword spotters with limited and synthesized speech data", Lin, Kilgour, Roblek and Sharifi, ICASSP 2020;
Apache-2.0) has 20 convolutions on 32 mel bands up to 3.8 kHz, learned from keywords. Its ONNX files are in the PyPI package
`openwakeword` 0.5.1: `embedding_model.onnx` and, for the mel bands, `melspectrogram.onnx`.

Here the mel bands are made of the 128 bands of a table, each band's mean over time is put at the average one of the clips that
are learned from, and mean and deviation over time of the last layer go to one linear unit. All weights are trained on.
"""

import os

import network
import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import nn

MELS = 32
FLOOR = 1e-9  # power added to each mel band before its logarithm
SCALE = float(np.float32(1 / np.log(10)))  # the embedding takes decimal logarithms
# From a table's powers to those that the embedding was trained on (samples of 16 bits, windows of 512), decimal logarithm.
LEVEL = 10.28
SLOPE, LEAST = 0.2, -0.4  # max(x, 0.2 x, -0.4) after each layer but the last one
CHANNELS = 96
LEARNING_RATE, HEAD_LEARNING_RATE = 1e-3, 3e-3
AVERAGED = 300  # clips whose mean levels are averaged


def initializers(model):
    """Name -> array of an ONNX graph's constants."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


class Activation(torch.autograd.Function):
    """max(x, 0.2 x, -0.4) in the place of x, whose gradient needs no more than what it makes: `clamp_min` and `leaky_relu` one
    after the other keep two copies of each layer, and the gradient of the first takes a third of the time of training."""

    @staticmethod
    def forward(ctx, x):
        F.threshold_(F.leaky_relu_(x, SLOPE), LEAST, LEAST)
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx, gradient):
        (y,) = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient, y, LEAST)
        return torch.ops.aten.leaky_relu_backward(gradient, y, SLOPE, True)


class Embedding(network.Pooled):
    """[clips][1][frames][32] -> [clips] logits of P(AI)."""

    def __init__(self, model):
        super().__init__()
        constants = initializers(model)
        self.convolutions, self.pools = nn.ModuleList(), []
        for node in model.graph.node:
            attributes = {a.name: list(a.ints) for a in node.attribute}
            if node.op_type == "Conv":
                weights = constants[node.input[1]]
                pads = attributes.get("pads", [0, 0, 0, 0])
                conv = nn.Conv2d(weights.shape[1], weights.shape[0], weights.shape[2:], padding=pads[:2])
                conv.weight.data = torch.tensor(weights)
                bias = constants[node.input[2]] if len(node.input) > 2 else np.zeros(weights.shape[0], np.float32)
                conv.bias.data = torch.tensor(bias)
                self.convolutions.append(conv)
                self.pools.append((1, 1))
            elif node.op_type == "MaxPool":
                if attributes["kernel_shape"] != attributes["strides"]:
                    raise SystemExit("embedding_model.onnx: blocks that overlap are pooled; this is not the file that is known")
                self.pools[-1] = tuple(attributes["strides"])
        if len(self.convolutions) != 20 or self.convolutions[-1].out_channels != CHANNELS:
            raise SystemExit("embedding_model.onnx: it does not have the 20 convolutions that are known")
        self.pool(CHANNELS)

    def channels(self, x):
        """What is pooled over time: [clips][96][frames / 8, less what the layers span]."""
        for number, (conv, pool) in enumerate(zip(self.convolutions, self.pools)):
            x = conv(x)
            if number + 1 < len(self.convolutions):
                x = Activation.apply(x)
            if pool != (1, 1):
                x = F.max_pool2d(x, pool, pool)
        return x.squeeze(3).float()


class Kind(network.Kind):
    """As `network.Kind`."""

    inputs = MELS
    stride = 8
    longest_gradient = 1.0

    def __init__(self, args, clips):
        self.folder = args.pretrained
        constants = initializers(onnx.load(os.path.join(self.folder, "melspectrogram.onnx")))
        (mel,) = [a for a in constants.values() if a.shape == (257, MELS)]
        # A band of a table is the mean of two of the 257 bins, from the second on; the filters are wider than that.
        self.filters = np.stack([mel[2 * b : 2 * b + 3].mean(0) for b in range(network.BANDS)]).astype(np.float32)
        some = np.random.default_rng(args.seed).choice(len(clips), min(AVERAGED, len(clips)), replace=False)
        means = [self.spectrum(network.logs(clips[i].recorded)).mean(0) for i in some]
        self.levels = (np.mean(means, 0) * SCALE + LEVEL).astype(np.float32)

    def network(self):
        return Embedding(onnx.load(os.path.join(self.folder, "embedding_model.onnx")))

    def groups(self, net):
        head = [*net.norm.parameters(), *net.head.parameters()]
        return [
            {"params": net.convolutions.parameters(), "lr": LEARNING_RATE},
            {"params": head, "lr": HEAD_LEARNING_RATE},
        ]

    def spectrum(self, x):
        return np.log(np.exp(x) @ self.filters + FLOOR)

    def scaled(self, x):
        return (x - x.mean(0)) * SCALE + self.levels

    def hide(self, x, rng):
        if rng.random() < 0.4:
            band = rng.integers(0, MELS - 2)
            stripe = slice(band, band + rng.integers(1, 4))
            x[:, stripe] = self.levels[stripe]
        if rng.random() < 0.4:
            frame = rng.integers(0, network.WINDOW - 30)
            x[frame : frame + rng.integers(5, 30)] = self.levels
        return x

    @torch.no_grad()
    def export(self, net, path):
        layers = []
        for number, (conv, pool) in enumerate(zip(net.convolutions, net.pools)):
            last = number + 1 == len(net.convolutions)
            layer = network.layer(conv, conv.weight.permute(2, 3, 1, 0), conv.bias)
            # The last one's values stay as they are.
            layer["finish"] = {"slope": 1.0 if last else SLOPE, "floor": -1e15 if last else LEAST, "pool": list(pool)}
            layers.append(layer)
        filters = {
            "weights": [float(w) for w in self.filters.T.reshape(-1)],
            "levels": [float(level) for level in self.levels],
        }
        network.write(path, layers, net.folded_head(), SCALE, filters=filters)

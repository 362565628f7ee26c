"""A time-delay network over all 128 bands: convolutions over time alone, in which the bands are channels.

After the front of an x-vector's network ("X-vectors: robust DNN embeddings for speaker recognition", Snyder et al., ICASSP
2018): five convolutions, mean and deviation over time, one linear unit; from random weights. It hears up to 8 kHz in steps of
62.5 Hz, where the embedding hears 32 mel bands up to 3.8 kHz: alone it is worse, but it is wrong about other clips. It soon
learns voices and rooms, so it is trained shortly: twice the steps are worse on voices never heard (docs/research.md).
"""

import network
import torch
import torch.nn.functional as F
from torch import nn

TAPS, STRIDES = (5, 3, 3, 3, 3), (1, 2, 1, 2, 1)
WIDTH = 160


class Tdnn(network.Pooled):
    """[clips][1][frames][128] -> [clips] logits of P(AI)."""

    def __init__(self, width):
        super().__init__()
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        for number, (taps, stride) in enumerate(zip(TAPS, STRIDES)):
            inputs = width if number else network.BANDS
            self.convolutions.append(nn.Conv1d(inputs, width, taps, stride=stride, padding=taps // 2, bias=False))
            self.norms.append(nn.BatchNorm1d(width))
        self.pool(width)

    def channels(self, x):
        """What is pooled over time: [clips][width][frames / 4]."""
        x = x[:, 0].transpose(1, 2)
        for convolution, norm in zip(self.convolutions, self.norms):
            x = F.relu(norm(convolution(x)))
        return x.float()


class Kind(network.Kind):
    """As `network.Kind`, whose inputs and schedule it has."""

    longest_gradient = 1.0

    def network(self):
        return Tdnn(self.width)

    @torch.no_grad()
    def export(self, net, path):
        layers = []
        for number, (conv, norm) in enumerate(zip(net.convolutions, net.norms)):
            # The first one's inputs are bands of one channel, the others' are channels of one band.
            weight = conv.weight[..., None] if number else conv.weight.permute(0, 2, 1)[:, None]
            layers.append(network.layer(conv, *network.folded(weight, conv.bias, norm)))
        network.write(path, layers, net.folded_head())

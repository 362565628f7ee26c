"""One step of the default network by PyTorch 2 in double precision: logits, loss and derivatives.

    python make_network_fit_golden.py > network_fit.json

Weights and inputs follow from the same formulas in src/training/network/net_tests.rs.
"""
import json

import numpy as np
import torch
import torch.nn.functional as F

LAYERS = [  # inputs, outputs, kernel, stride, padding
    (1, 16, (3, 3), (2, 2), (1, 1)),
    (16, 32, (3, 3), (1, 2), (1, 1)),
    (32, 32, (3, 3), (1, 1), (1, 1)),
    (32, 64, (3, 3), (2, 2), (1, 1)),
    (64, 64, (3, 3), (1, 1), (1, 1)),
    (64, 64, (3, 3), (1, 2), (1, 1)),
    (64, 96, (1, 8), (1, 1), (0, 0)),
]
BATCH = 4


def noise(count, rate):
    x = np.sin((np.arange(count) + 1) * rate) * 43758.5453
    return 2 * (x - np.floor(x)) - 1


def leaf(values):
    # Rounded to single precision, as ours are.
    return torch.tensor(values.astype(np.float32).astype(np.float64), requires_grad=True)


x = noise(BATCH * 256 * 128, 0.0137)
h = torch.tensor(x.astype(np.float32).astype(np.float64)).view(BATCH, 1, 256, 128)
parameters = []
for layer, (inputs, outputs, kernel, stride, padding) in enumerate(LAYERS):
    patch = kernel[0] * kernel[1] * inputs
    w = leaf((noise(patch * outputs, 0.7 + 0.013 * layer) / patch**0.5).reshape(*kernel, inputs, outputs))
    gamma, beta = leaf(1 + 0.2 * noise(outputs, 0.9)), leaf(0.1 * noise(outputs, 1.7))
    parameters.append((w, gamma, beta))
    h = F.conv2d(h, w.permute(3, 2, 0, 1), stride=stride, padding=padding)
    h = F.relu(F.batch_norm(h, None, None, gamma, beta, training=True))
h = h.squeeze(3)
head = leaf(0.1 * noise(2 * LAYERS[-1][1], 0.31))
pooled = torch.cat([h.mean(2), (h.var(2, unbiased=False) + 1e-4).sqrt()], 1)
logits = pooled @ head + 0.05
targets = torch.tensor([0.05, 0.95] * (BATCH // 2), dtype=torch.float64)
loss = F.binary_cross_entropy_with_logits(logits, targets)
loss.backward()
norms = [[p.grad.norm().item() for p in group] for group in parameters] + [[head.grad.norm().item()]]
samples = []
for w, _, _ in parameters:
    g = w.grad.reshape(-1)
    samples.append([[i, g[i].item()] for i in range(0, len(g), max(1, len(g) // 12))])
print(json.dumps({"logits": logits.tolist(), "loss": loss.item(), "norms": norms, "samples": samples}))

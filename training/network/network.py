"""The network: what it is, how its crops are drawn and spoilt, its training, its scores, and its weights as JSON.

`pretrained.py` is another one, which shares the drawing of crops, the training and the scores: `Kind` says what differs.

Input: log spectrograms in 128 bands every 10 ms (`src/features/bands.rs`), each band's mean over time taken off, halved.
Seven convolutions, with batch normalisation and ReLU after each; the last spans all bands that are left. Mean and
standard deviation over time of its channels go to one linear unit: the logit of P(AI). A width of 16 has 156,305
parameters, one of 24 has 350,809.
"""

import json
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

BANDS = 128
STEPS = 1024  # a neper of power in a table
WINDOW = 256  # frames of a crop, 2.56 s
STRIDE = 4  # frames of input for one of the last layer
HOP = 128  # frames from window to window where a clip is scored
SCALE = 0.5
LEARNING_RATE, WEIGHT_DECAY, BATCH = 2e-3, 0.05, 32
LEAST_SHARE = 0.002  # of a class, added to what a language has of it before classes are compared within it


def statistics(h):
    """Mean and standard deviation over time of [clips][channels][frames]: [clips][2 channels]."""
    return torch.cat([h.mean(2), (h.var(2, unbiased=False) + 1e-4).sqrt()], 1)


class Block(nn.Module):
    """Convolution of 3 by 3 (time, bands), batch normalisation, ReLU."""

    def __init__(self, inputs, outputs, stride=(1, 1)):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1, stride=stride, bias=False)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class Kind:
    """What a network takes and how it is trained. This one is `Network`."""

    inputs = BANDS  # values of a frame of the input
    stride = STRIDE
    longest_gradient = None  # what gradients are cut down to

    def __init__(self, args, clips):
        self.width = args.width

    def network(self):
        """With its first weights."""
        return Network(self.width)

    def groups(self, net):
        """Parameters and the largest learning rate of each group."""
        return [{"params": net.parameters(), "lr": LEARNING_RATE}]

    def spectrum(self, x):
        """Of [frames][128] logarithms of power, what the mean over time is taken off: the bands themselves."""
        return x

    def scaled(self, x):
        """An input of it."""
        return (x - x.mean(0)) * SCALE

    def hide(self, x, rng):
        """Sets parts of an input [256][inputs] to the mean: a random upper limit of the bands, a stripe of bands and a
        stretch of frames."""
        if rng.random() < 0.15:
            x[:, rng.integers(50, 120) :] = 0
        if rng.random() < 0.4:
            band = rng.integers(0, 120)
            x[:, band : band + rng.integers(2, 16)] = 0
        if rng.random() < 0.4:
            frame = rng.integers(0, WINDOW - 30)
            x[frame : frame + rng.integers(5, 30)] = 0
        return x

    def export(self, net, path):
        """Writes the weights as the JSON that `voxproof pack-network` reads."""
        export(net, path)


class Network(nn.Module):
    """[clips][1][frames][128] -> [clips] logits of P(AI)."""

    def __init__(self, w):
        super().__init__()
        self.blocks = nn.Sequential(
            Block(1, w, (2, 2)),
            Block(w, 2 * w, (1, 2)),
            Block(2 * w, 2 * w),
            Block(2 * w, 4 * w, (2, 2)),
            nn.Dropout2d(0.1),
            Block(4 * w, 4 * w),
            Block(4 * w, 4 * w, (1, 2)),
        )
        self.across = nn.Conv2d(4 * w, 6 * w, (1, BANDS // 16))
        self.across_norm = nn.BatchNorm2d(6 * w)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(12 * w, 1)

    def channels(self, x):
        """What is pooled over time: [clips][6 w][frames / 4]."""
        return F.relu(self.across_norm(self.across(self.blocks(x)))).squeeze(3).float()

    def pooled(self, h):
        """Logits of a stretch of `channels`."""
        return self.head(self.drop(statistics(h)))[:, 0]

    def forward(self, x):
        return self.pooled(self.channels(x))


class Pooled(nn.Module):
    """A network whose last channels' mean and deviation over time go through batch normalisation to one linear unit. What
    derives from it has `channels`, and calls `pool` after its layers are made."""

    def pool(self, channels):
        """Makes what follows a last layer of so many channels."""
        self.norm = nn.BatchNorm1d(2 * channels)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(2 * channels, 1)

    def pooled(self, h):
        """Logits of a stretch of `channels`."""
        return self.head(self.drop(self.norm(statistics(h))))[:, 0]

    def forward(self, x):
        return self.pooled(self.channels(x))

    def folded_head(self):
        """`head` and `head_bias` as `export` writes them, the batch normalisation folded in."""
        norm = self.norm
        gain = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
        weights = self.head.weight[0].double()
        bias = self.head.bias[0].double() + (weights * (norm.bias.double() - norm.running_mean.double() * gain)).sum()
        return {"head": [float(w) for w in weights * gain], "head_bias": float(bias)}


def logs(stored):
    """[frames][128] of a table as logarithms of power."""
    return np.asarray(stored, np.float32) / STEPS


def crop(frames, rng):
    """A window at a random place of [frames][128]; what is shorter is repeated."""
    length = len(frames)
    if length >= WINDOW:
        start = rng.integers(0, length - WINDOW + 1)
        return logs(frames[start : start + WINDOW])
    return np.concatenate([logs(frames)] * (WINDOW // length + 1))[:WINDOW]


def spoil(x, rng, kind):
    """Augments a crop and makes an input of it: noise of a random level and slope, then what `Kind.hide` does."""
    if rng.random() < 0.3:
        slope = np.log((np.arange(BANDS) * 2 + 8) / 40)
        floor = rng.uniform(-9, -1) + rng.uniform(-2, 0.5) * slope
        x = np.logaddexp(x, np.log(rng.exponential(size=x.shape) + 1e-4) + floor)
    return kind.hide(kind.scaled(kind.spectrum(x)), rng)


def shares_of_languages(of_class, weights):
    """Language -> what its clips weigh of a class."""
    shares = {}
    for clip, weight in zip(of_class, weights / weights.sum()):
        shares[clip.language] = shares.get(clip.language, 0.0) + weight
    return shares


class Sampler:
    """Draws batches: half of each class; within a class, an engine family (AI) or a source (human) as often as the
    root of its number of clips, times the clips' share; the class that weighs more in a language is drawn there less often,
    by the power `languages` of the shares' ratio; the share `recorded` of the crops from clips as recorded, the rest from
    copies in equal shares."""

    def __init__(self, clips, chosen, rng, kind, languages, recorded):
        self.rng, self.kind, self.recorded = rng, kind, recorded
        classes = []
        for ai in (False, True):
            of_class = [clips[i] for i in chosen if clips[i].ai == ai]
            if not of_class:
                raise SystemExit(f"no {'AI' if ai else 'human'} clips are left to train on")
            names, counts = np.unique([clip.group for clip in of_class], return_counts=True)
            weight = dict(zip(names, counts.astype(float) ** -0.5))
            classes.append((of_class, np.array([weight[clip.group] * clip.share for clip in of_class])))
        shares = [shares_of_languages(*a_class) for a_class in classes]
        self.classes = []
        for (of_class, weights), own, other in zip(classes, shares, shares[::-1]):
            ratios = [(other.get(c.language, 0.0) + LEAST_SHARE) / (own[c.language] + LEAST_SHARE) for c in of_class]
            p = np.cumsum(weights * np.minimum(np.power(ratios, languages), 1.0))
            self.classes.append((of_class, p / p[-1]))

    def batch(self):
        """Inputs [32][1][256][inputs] and labels [32]."""
        x = np.zeros((BATCH, 1, WINDOW, self.kind.inputs), np.float32)
        for j in range(BATCH):
            of_class, p = self.classes[j % 2]
            clip = of_class[min(np.searchsorted(p, self.rng.random(), "right"), len(of_class) - 1)]
            of_copies = clip.copies and self.rng.random() < 1 - self.recorded
            frames = clip.copies[self.rng.integers(len(clip.copies))] if of_copies else clip.recorded
            x[j, 0] = spoil(crop(frames, self.rng), self.rng, self.kind)
        return torch.from_numpy(x), torch.arange(BATCH).remainder(2).float()


def autocast(precision):
    """Convolutions in bfloat16, or in 32 bits."""
    return torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16")


def fit(clips, chosen, args, kind, seed=None):
    """Trains on the clips `chosen`: AdamW, one cycle of the learning rate, labels smoothed to 0.05, 0.95."""
    steps, seed = args.steps, args.seed if seed is None else seed
    torch.set_num_threads(args.threads)
    torch.manual_seed(seed)
    sampler = Sampler(clips, chosen, np.random.default_rng(seed), kind, args.languages, args.recorded)
    print(f"{len(sampler.classes[1][0])} synthetic and {len(sampler.classes[0][0])} human clips", flush=True)
    net = kind.network().to(memory_format=torch.channels_last).train()
    groups = kind.groups(net)
    optimizer = torch.optim.AdamW(groups, weight_decay=WEIGHT_DECAY)
    largest = [group["lr"] for group in groups]
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, largest, steps, pct_start=0.1)
    start, mean = time.time(), None
    for step in range(1, steps + 1):
        x, y = sampler.batch()
        with autocast(args.precision):
            logits = net(x.to(memory_format=torch.channels_last))
        loss = F.binary_cross_entropy_with_logits(logits.float(), y * 0.9 + 0.05)
        loss.backward()
        if kind.longest_gradient:
            torch.nn.utils.clip_grad_norm_(net.parameters(), kind.longest_gradient)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if step % 250 == 0 or step == steps:
            print(f"step {step} of {steps}: loss {mean:.4f}, {time.time() - start:.0f} s", flush=True)
    return net


@torch.no_grad()
def score(net, sounds, kind, precision):
    """P(AI) of each spectrogram: of the mean logit over windows of 2.56 s, at most 1.28 s apart, of a clip normalised
    whole."""
    net.eval()
    out = []
    frames_of_window = net.channels(torch.zeros(1, 1, WINDOW, kind.inputs)).shape[2]
    for frames in sounds:
        x = kind.scaled(kind.spectrum(logs(frames))).astype(np.float32)
        if len(x) < WINDOW:
            x = np.concatenate([x] * (WINDOW // len(x) + 1))[:WINDOW]
        windows = max(1, int(np.ceil((len(x) - WINDOW) / HOP)) + 1)
        starts = np.unique(np.linspace(0, len(x) - WINDOW, windows).astype(int))
        with autocast(precision):
            h = net.channels(torch.from_numpy(x[None, None]).to(memory_format=torch.channels_last))
        firsts = [s // kind.stride for s in starts]
        logits = [net.pooled(h[:, :, first : first + frames_of_window]).item() for first in firsts]
        out.append(float(1 / (1 + np.exp(-np.mean(logits)))))
    return out


def folded(weight, bias, norm):
    """Weights [time][bands][inputs][outputs] and bias of a convolution of `weight` [outputs][inputs][time][bands] and `bias`,
    which may be `None`, with its batch normalisation folded in."""
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    weights = (weight.double() * scale[:, None, None, None]).permute(2, 3, 1, 0)
    bias = 0 if bias is None else bias.double()
    return weights, norm.bias.double() + (bias - norm.running_mean.double()) * scale


def layer(conv, weights, bias):
    """A convolution as `export` writes it, with weights [time][bands][inputs][outputs]."""
    time_taps, band_taps, inputs, outputs = weights.shape
    return {
        "kernel": [time_taps, band_taps],
        "stride": [*conv.stride, 1][:2],  # of a convolution over time alone there is one of each
        "padding": [*conv.padding, 0][:2],
        "inputs": inputs,
        "outputs": outputs,
        "weights": [float(np.float32(v)) for v in weights.reshape(-1)],
        "bias": [float(np.float32(v)) for v in bias],
    }


def write(path, layers, head, scale=SCALE, **more):
    """Writes a network as the JSON that `voxproof pack-network` reads."""
    document = {"bands": BANDS, "window": WINDOW, **more, "scale": scale, "layers": layers, **head}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)


@torch.no_grad()
def export(net, path):
    """Writes the weights of a `Network`."""
    blocks = [b for b in net.blocks if isinstance(b, Block)]
    convolutions = [(b.conv, b.norm) for b in blocks] + [(net.across, net.across_norm)]
    layers = []
    for conv, norm in convolutions:
        layers.append(layer(conv, *folded(conv.weight, conv.bias, norm)))
    head = {"head": [float(v) for v in net.head.weight[0]], "head_bias": float(net.head.bias[0])}
    write(path, layers, head)

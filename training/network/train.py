"""Trains the networks of `models/default.bin` with PyTorch, on what `voxproof corpus export` wrote.

    train.py fit --corpus public.json public.bin --corpus packages.json packages.bin --out network.json
    train.py folds --corpus public.json public.bin --scores network.csv

With `--pretrained DIR` it is Google's speech embedding that is trained on, see `pretrained.py`; with `--tdnn` a time-delay
network, see `tdnn.py`. The default model has both.

Without either, `voxproof train --model network` does the same without Python: same layers, crops, augmentation and schedule. PyTorch has
bfloat16 products for processors with AMX, which train several times faster. Random numbers are drawn in another order, so
that the weights are others. `voxproof fuse` reads the scores of `folds`, `voxproof pack-network` the weights of `fit`.
"""

import argparse
import csv
import os

# Before NumPy starts any: its threads wait by spinning, which takes half of the processor from PyTorch's.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import network
import tables
import tdnn


def kind_of(args, clips):
    """Which network is trained."""
    if args.tdnn:
        return tdnn.Kind(args, clips)
    if not args.pretrained:
        return network.Kind(args, clips)
    import pretrained  # which needs `onnx`

    return pretrained.Kind(args, clips)


def fit_command(args):
    """Trains on all clips and writes the weights."""
    clips = tables.load(args.corpus, args.share)
    kind = kind_of(args, clips)
    net = network.fit(clips, range(len(clips)), args, kind)
    kind.export(net, args.out)
    print(f"weights: {args.out}")


def folds_command(args):
    """Trains one network a fold of the first corpus, and scores what each has not heard."""
    clips = tables.load(args.corpus, args.share)
    conditions, folds = tables.folds(args.corpus[0][0])
    if not folds:
        raise SystemExit(f"{args.corpus[0][0]}: it was exported without --protocol, so that it has no folds")
    public = sum(1 for _ in tables.load(args.corpus[:1]))
    rows = [["protocol", "group", "part", "file", "label", "score", "condition"]]
    kind, net, learned = None, None, None
    for number, fold in enumerate(folds):
        if args.only and number not in args.only:
            continue
        # Clips of further corpora are trained on unless their engine's family is tested.
        tested = {clips[i].group for i in fold["test"] if clips[i].ai}
        more = [i for i in range(public, len(clips)) if not (clips[i].ai and clips[i].group in tested)]
        # Corpora of one set follow each other and have the same network.
        if learned != fold["train"] + more:
            learned = fold["train"] + more
            kind = kind_of(args, [clips[i] for i in learned])
            net = network.fit(clips, learned, args, kind, args.seed + number)
        for place, condition in enumerate(conditions):
            chosen = [clips[i] for i in fold["test"]]
            scores = network.score(net, [clip.tested[place] for clip in chosen], kind, args.precision)
            for clip, p in zip(chosen, scores):
                label = "ai" if clip.ai else "human"
                rows.append([fold["protocol"], fold["group"], fold["part"], clip.file, label, repr(p), condition])
        with open(args.scores, "w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows(rows)
        print(f"fold {number} of {len(folds)} is in {args.scores}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)

    def trainer(name, run, text, steps):
        added = commands.add_parser(name, help=text, description=run.__doc__)
        added.set_defaults(run=run)
        added.add_argument("--corpus", nargs=2, action="append", required=True, metavar=("JSON", "TABLE"),
                           help="clips and spectrograms of `voxproof corpus export`; may be given more than once")
        added.add_argument("--steps", type=int, default=steps, help="mini-batches of 32 crops, at least 20 [default: %(default)s]")
        added.add_argument("--width", type=int, help=f"channels of the first layer [default: 24; {tdnn.WIDTH} with --tdnn]")
        which = added.add_mutually_exclusive_group()
        which.add_argument("--pretrained", metavar="DIR",
                           help="train the speech embedding of these ONNX files on, instead of a network from random weights")
        which.add_argument("--tdnn", action="store_true", help="train a time-delay network over all bands, from random weights")
        added.add_argument("--share", type=float, default=1.0,
                           help="what a clip of the second corpus and further ones weighs [default: %(default)s]")
        added.add_argument("--seed", type=int, default=42, help="[default: %(default)s]")
        added.add_argument("--threads", type=int, default=1, help="of PyTorch [default: %(default)s]")
        added.add_argument("--precision", choices=["bfloat16", "float32"], default="bfloat16",
                           help="of the convolutions; float32 is faster on some processors with AVX-512 and without AMX [default: %(default)s]")
        added.add_argument("--languages", type=float, default=0.5,
                           help="how far classes are made to weigh alike within each language, 0 to 1 [default: %(default)s]")
        added.add_argument("--recorded", type=float, default=0.5,
                           help="share of the crops that are of clips as recorded, beside copies [default: %(default)s]")
        return added

    c = trainer("fit", fit_command, "train on all clips and write the weights", 4000)
    c.add_argument("--out", required=True, help="weights (JSON), for voxproof pack-network")
    c = trainer("folds", folds_command, "scores of engines and sources that were not trained on", 2400)
    c.add_argument("--only", type=int, nargs="+", help="only these folds, from 0")
    c.add_argument("--scores", required=True, help="CSV to write, as voxproof evaluate --scores does")
    args = parser.parse_args()
    args.width = args.width or (tdnn.WIDTH if args.tdnn else 24)
    args.run(args)


if __name__ == "__main__":
    main()

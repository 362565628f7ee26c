"""Reference trainer of the network in `models/default.bin`.

    train.py spectrograms --manifest M.csv --clips DIR --out cache.npz --copies 2 [--study]
    train.py fit --cache cache.npz ... --drop CSV --hold-out CSV --out network.json
    train.py folds --cache cache.npz ... --drop CSV --hold-out CSV --scores network_scores.csv
    train.py fuse --network network_scores.csv --features evaluate_scores.csv

This is the trainer in Python with which the shipped network was made, put in order: constants and definitions are the
same, but random numbers are drawn in another order, and the decoder's, the codecs' and PyTorch's versions count too, so
what it makes is a network like the shipped one, not the same weights. Inputs are those of `src/features/bands.rs`.
`voxproof pack-network` makes an artifact of the JSON that `fit` writes. Needs ffmpeg and requirements.txt.
"""

import argparse
import csv
import os
import shutil
from collections import Counter, defaultdict

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # processes share the work out, not threads

import numpy as np

SMALLEST_FAMILY = 8  # clips that a family needs for an equal error rate of its own
SCORE_COLUMNS = ["file", "label", "fold", "condition", "score"]


def spectrograms_command(args):
    """Makes a cache."""
    import spectrograms

    if shutil.which("ffmpeg") is None:
        raise SystemExit("ffmpeg is not installed: it decodes the clips, and its codecs are part of the channel")
    clips = args.clips or os.path.dirname(args.manifest) or "."
    spectrograms.make(args.manifest, clips, args.out, args.copies, args.study, args.jobs, args.seed, args.limit)


def load(args, study):
    """The corpus of the caches."""
    import torch

    import corpus

    torch.set_num_threads(args.threads)
    loaded = corpus.Corpus(args.cache, args.drop, args.hold_out, study)
    ai, human = (loaded.usable & loaded.ai).sum(), (loaded.usable & ~loaded.ai).sum()
    print(f"{ai} AI and {human} human clips, {loaded.copies} copies each", flush=True)
    return loaded


def fit_command(args):
    """Trains on all clips and writes the weights."""
    import network

    loaded = load(args, study=False)
    network.export(network.fit(loaded, loaded.usable, args.steps, args.seed), args.out)
    print(f"weights: {args.out}")


def folds_command(args):
    """Trains one network a fold, and scores what each has not heard."""
    import corpus
    import network

    loaded = load(args, study=True)
    chosen = range(args.count) if args.only is None else args.only
    rates = defaultdict(dict)  # condition -> family -> equal error rate
    rows = []
    for k, (test, train) in enumerate(corpus.folds(loaded, args.count)):
        if k not in chosen:
            continue
        clips, ai = np.flatnonzero(test), loaded.ai[test]
        print(f"fold {k}: {(train & loaded.ai).sum()} AI and {(train & ~loaded.ai).sum()} human clips to train on, "
              f"{ai.sum()} and {(~ai).sum()} to test", flush=True)
        if ai.all() or not ai.any():
            raise SystemExit(f"fold {k} lacks a class to test: too few families or sources for {args.count} folds")
        net = network.fit(loaded, train, args.steps, args.seed + k)
        for condition in ("recorded", "study"):
            scores = network.score(net, loaded, condition, clips)
            family = loaded.family[clips]
            for name, n in Counter(family[ai]).items():
                if n >= SMALLEST_FAMILY:
                    own = scores[ai & (family == name)]
                    rates[condition][name] = corpus.eer(scores[~ai], own)
            print(f"  {condition}: EER of all its clips {100 * corpus.eer(scores[~ai], scores[ai]):.1f} %", flush=True)
            rows += [
                (loaded.file[i], "ai" if loaded.ai[i] else "human", k, condition, repr(float(sigmoid(s))))
                for i, s in zip(clips, scores)
            ]
        with open(args.scores, "w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([SCORE_COLUMNS, *rows])
    for condition, by_family in rates.items():
        figures = np.array(list(by_family.values()))
        print(f"{condition}: EER mean over {len(figures)} families of {SMALLEST_FAMILY} clips or more "
              f"{100 * figures.mean():.1f} %")
    if not rates:
        print(f"no family has {SMALLEST_FAMILY} clips or more among those tested")


def sigmoid(x):
    """Logit -> probability."""
    return 1 / (1 + np.exp(-x))


def read_scores(path, protocol):
    """CSV of P(AI) -> {(file, condition): (is AI, log-odds)}.

    Where a clip was scored in several folds the log-odds are averaged. Where there is a column `protocol`, rows of
    other protocols are left out.
    """
    found = defaultdict(list)
    labels = {}
    with open(path, newline="", encoding="utf-8") as handle:
        reader = csv.DictReader(handle)
        missing = {"file", "label", "score", "condition"} - set(reader.fieldnames or [])
        if missing:
            raise SystemExit(f"{path}: no column {', '.join(sorted(missing))}")
        for row in reader:
            if row.get("protocol", protocol) != protocol:
                continue
            try:
                p = min(max(float(row["score"]), 1e-9), 1 - 1e-9)
            except ValueError:
                where = f"{path}: line {reader.line_num}"
                raise SystemExit(f"{where}: score {row['score']!r}: expected P(AI), 0 to 1") from None
            key = row["file"], row["condition"]
            found[key].append(np.log(p / (1 - p)))
            labels[key] = row["label"] in ("ai", "spoof")
    return {key: (labels[key], np.mean(values)) for key, values in found.items()}


def expected_calibration_error(p, y):
    """Over ten bins of equal width, weighted by their clips."""
    bins = np.minimum((p * 10).astype(int), 9)
    return sum(abs(p[bins == b].mean() - y[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins))


def fuse_command(args):
    """Weights of the two logits and an offset, of scores on clips that neither model was trained on.

    A logistic regression with balanced classes gives the direction; the middle, P = 0.5, is put at the equal error
    rate, and the slope there is the likeliest one with balanced classes.
    """
    from scipy.optimize import minimize_scalar
    from sklearn.linear_model import LogisticRegression

    from corpus import eer

    network, features = read_scores(args.network, args.protocol), read_scores(args.features, args.protocol)
    both = sorted(network.keys() & features.keys())
    if not both:
        raise SystemExit(f"{args.network} and {args.features} have no file and condition in common")
    differ = [file for file, condition in both if network[file, condition][0] != features[file, condition][0]]
    if differ:
        raise SystemExit(f"{differ[0]}: its label differs between the two files")
    x = np.array([[network[key][1], features[key][1]] for key in both])
    y = np.array([network[key][0] for key in both])
    if y.all() or not y.any():
        raise SystemExit("scores of both classes are needed")
    print(f"{len(both)} scores in common, of {len(network)} and {len(features)}")
    direction = LogisticRegression(class_weight="balanced", C=1e3).fit(x, y).coef_[0]
    s = x @ direction
    places = np.sort(s)
    middle = places[np.argmin([abs((s[~y] > t).mean() - (s[y] <= t).mean()) for t in places])]
    weight, sign = np.where(y, 0.5 / y.sum(), 0.5 / (~y).sum()), np.where(y, 1, -1)
    loss = lambda slope: (weight * np.logaddexp(0, -sign * slope * (s - middle))).sum()  # noqa: E731
    slope = minimize_scalar(loss, bounds=(0.1, 5), method="bounded").x
    p = sigmoid(slope * (s - middle))
    conditions = np.array([condition for _, condition in both])
    for condition in sorted(set(conditions)):
        here = conditions == condition
        rates = [f"{name} {100 * eer(v[here & ~y], v[here & y]):.1f} %"
                 for name, v in (("network", x[:, 0]), ("features", x[:, 1]), ("fused", s))
                 if (here & y).any() and (here & ~y).any()]
        print(f"{condition}: EER of all clips {', '.join(rates)}; expected calibration error "
              f"{expected_calibration_error(p[here], y[here]):.3f}")
    a, b = direction * slope
    print(f"--network-weight {a:.6g} --features-weight {b:.6g} --slope 1 --offset {-slope * middle:.6g}")


def numbers(text):
    """Comma-separated fold numbers."""
    return [int(part) for part in text.split(",")]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)

    def command(name, run, text):
        added = commands.add_parser(name, help=text, description=run.__doc__)
        added.set_defaults(run=run)
        return added

    c = command("spectrograms", spectrograms_command, "manifest -> cache of spectrograms")
    c.add_argument("--manifest", required=True, help="CSV: file (or path), label, family, corpus, speaker, repo ...")
    c.add_argument("--clips", help="folder that its files are relative to [default: the manifest's]")
    c.add_argument("--out", required=True, help="cache (.npz)")
    c.add_argument("--copies", type=int, default=2, help="copies through the wide channel [default: 2]")
    c.add_argument("--study", action="store_true", help="also one copy through the study channel, for folds")
    c.add_argument("--jobs", type=int, default=1, help="processes; the result does not depend on them [default: 1]")
    c.add_argument("--seed", type=int, default=0, help="of the channel [default: 0]")
    c.add_argument("--limit", type=int, help="only the first clips")

    def trainer(name, run, text, steps, seed):
        added = command(name, run, text)
        added.add_argument("--cache", action="append", required=True, help="may be given more than once")
        added.add_argument("--drop", action="append", default=[], help="CSV of clips to leave out (column file)")
        added.add_argument("--hold-out", action="append", default=[], help="CSV of speakers to leave out (speaker)")
        added.add_argument("--steps", type=int, default=steps, help=f"batches of 32 crops [default: {steps}]")
        added.add_argument("--seed", type=int, default=seed, help=f"[default: {seed}]")
        added.add_argument("--threads", type=int, default=1, help="of PyTorch [default: 1]")
        return added

    c = trainer("fit", fit_command, "train on all clips and write the weights", 4500, 777)
    c.add_argument("--out", required=True, help="weights (JSON), for voxproof pack-network")
    c = trainer("folds", folds_command, "scores of engines and sources that were not trained on", 2400, 0)
    c.add_argument("--count", type=int, default=6, help="folds [default: 6]")
    c.add_argument("--only", type=numbers, help="only these of them, for example 0,1,2")
    c.add_argument("--scores", required=True, help=f"CSV to write: {','.join(SCORE_COLUMNS)}; score is P(AI)")

    c = command("fuse", fuse_command, "weights and offset for pack-network")
    c.add_argument("--network", required=True, help="scores CSV of folds")
    c.add_argument("--features", required=True, help="scores CSV of voxproof evaluate --through study --scores")
    c.add_argument("--protocol", default="leave-family-source-out", help="of rows that name one [default: %(default)s]")

    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()

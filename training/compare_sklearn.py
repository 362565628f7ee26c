"""Compares voxproof's estimators with scikit-learn's on exactly the same numbers and the same splits.

    python3 -m venv .venv-sklearn && .venv-sklearn/bin/pip install scikit-learn==1.3.2 "numpy<2"
    voxproof train --manifest M --clips DIR --save-features features.jsonl --out /tmp/m
    .venv-sklearn/bin/python training/compare_sklearn.py --manifest M --features features.jsonl \\
        --voxproof target/release/voxproof --seeds 42 43 44

For each seed, `voxproof evaluate --protocol random --scores` splits the corpus into five stratified
folds, fits five models and writes every test score with its fold. This script fits scikit-learn's
StandardScaler and RandomForestClassifier, with the settings of the replaced stack and the same seed,
to the same folds, and prints AUC and EER of both. It exits with 1 if the mean AUC over all seeds and
folds differs by more than 0.01, or the pooled EER by more than 0.01 on average.

`--model gradient-boosting` and `--model mlp` compare with GradientBoostingClassifier and MLPClassifier in the same
way. What an MLP says varies with the seed: give it five (`--seeds 42 43 44 45 46`).

`--model logistic` compares the logistic regression instead: five folds once, since neither
side is random. scikit-learn's LogisticRegression(C, class_weight="balanced") is fitted to values clipped at their
0.5th and 99.5th percentile and standardised. Its intercept and coefficients are held against those that
`voxproof train` wrote into the artifact (tolerance 1e-3), and each fold's EER against voxproof's (tolerance 0.001).

`--scores FILE...` takes score files that were written before, instead of running voxproof.
"""
import argparse
import csv
import json
import struct
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import sklearn
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TOLERANCE = 0.01
LOGISTIC_TOLERANCE, COEFFICIENT_TOLERANCE = 0.001, 1e-3


def read_features(path):
    """JSON lines with `file` and `values` (or `f`) -> {file: [values]}."""
    with open(path) as lines:
        rows = (json.loads(line) for line in lines if line.strip())
        return {row["file"]: row.get("values", row.get("f")) for row in rows}


def read_scores(path):
    """Rows of the random protocol -> files, folds, is_ai, scores, each of shape [clips]."""
    with open(path, newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["protocol"] == "random"]
    return (
        [row["file"] for row in rows],
        np.array([int(row["part"]) for row in rows]),
        np.array([row["label"] == "ai" for row in rows]),
        np.array([float(row["score"]) for row in rows]),
    )


def eer(scores, is_ai):
    """Equal error rate, thresholds only between different scores (as in src/training/metrics.rs)."""
    order = np.argsort(-scores, kind="stable")
    ends = np.r_[np.flatnonzero(np.diff(scores[order])), len(scores) - 1]
    alarms = np.cumsum(~is_ai[order])[ends] / (~is_ai).sum()
    misses = 1 - np.cumsum(is_ai[order])[ends] / is_ai.sum()
    best = np.argmin(np.abs(alarms - misses))
    return (alarms[best] + misses[best]) / 2


def estimator(kind, seed):
    """scikit-learn's estimator with the settings of the replaced stack."""
    if kind == "gradient-boosting":
        return GradientBoostingClassifier(n_estimators=150, learning_rate=0.1, max_depth=10, random_state=seed)
    if kind == "mlp":
        return MLPClassifier(hidden_layer_sizes=(128, 64, 32), max_iter=500, early_stopping=True, random_state=seed)
    return RandomForestClassifier(n_estimators=200, max_depth=20, min_samples_split=5, min_samples_leaf=2, random_state=seed, n_jobs=-1)


def reference(kind, x, is_ai, folds, seed):
    """scikit-learn's out-of-fold P(AI), shape [clips]."""
    scores = np.zeros(len(is_ai))
    for fold in sorted(set(folds)):
        test = folds == fold
        model = make_pipeline(StandardScaler(), estimator(kind, seed)).fit(x[~test], is_ai[~test])
        scores[test] = model.predict_proba(x[test])[:, 1]
    return scores


def fit_logistic(x, is_ai, c):
    """Bounds of the training rows and the fitted pipeline behind them."""
    low, high = np.percentile(x, 0.5, axis=0), np.percentile(x, 99.5, axis=0)
    logistic = LogisticRegression(C=c, class_weight="balanced", solver="newton-cholesky", tol=1e-10)
    return low, high, make_pipeline(StandardScaler(), logistic).fit(np.clip(x, low, high), is_ai)


def read_logistic(path):
    """Weights and bias of an artifact (layout: src/model/artifact.rs, src/model/logistic.rs)."""
    data, at = Path(path).read_bytes(), 56

    def take(code):
        nonlocal at
        values = struct.unpack_from("<" + code, data, at)
        at += struct.calcsize("<" + code)
        return values

    for _ in range(5):  # name, version, features, training data, settings
        take(f"{take('Q')[0]}s")
    take("d")  # threshold
    take(f"{take('Q')[0]}d"), take(f"{take('Q')[0]}d")  # scaler
    assert take("I") == (1,), "not a logistic model"
    return np.array(take(f"{take('Q')[0]}d")), take("d")[0]


def compare_logistic(args, features):
    """Prints both sides' figures; returns whether they agree."""
    data = ["--manifest", args.manifest, "--feature-table", args.features, "--features", args.set, "--model", "logistic", "--c", str(args.c)]
    data += ["--hold-out", args.hold_out] if args.hold_out else []
    with tempfile.TemporaryDirectory() as folder:
        scores, model = Path(folder) / "scores.csv", Path(folder) / "logistic.bin"
        # Exit status 1 means that some clips of the manifest are not in the table.
        evaluate = [args.voxproof, "evaluate", *data, "--protocol", "random", "--report", folder, "--scores", str(scores)]
        for command in (evaluate, [args.voxproof, "train", *data, "--name", "logistic", "--out", folder]):
            if subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode > 1:
                sys.exit("failed: " + " ".join(command))
        files, folds, is_ai, ours = read_scores(scores)
        weights, bias = read_logistic(model)
    x = np.array([features[file] for file in files])
    _, _, whole = fit_logistic(x, is_ai, args.c)
    d_weight = np.abs(whole[-1].coef_[0] - weights).max()
    d_bias = abs(whole[-1].intercept_[0] - bias)
    print(f"coefficients: largest {np.abs(weights).max():.4f}, largest difference {d_weight:.2e}; intercept {bias:.4f}, difference {d_bias:.2e}")
    aucs, eers, off = [], [], 0.0
    for fold in sorted(set(folds)):
        test = folds == fold
        low, high, model = fit_logistic(x[~test], is_ai[~test], args.c)
        theirs = model.decision_function(np.clip(x[test], low, high))
        log_odds = np.log(ours[test] / (1 - ours[test]))
        # A calibration is a straight line in log-odds: what is left of a fitted one is disagreement.
        line = np.polyfit(theirs, log_odds, 1)
        off = max(off, np.abs(np.polyval(line, theirs) - log_odds).max())
        aucs.append([roc_auc_score(is_ai[test], s) for s in (ours[test], theirs)])
        eers.append([eer(s, is_ai[test]) for s in (ours[test], theirs)])
    (auc, their_auc), (rate, their_rate) = np.mean(aucs, axis=0), np.mean(eers, axis=0)
    print(f"mean over folds: AUC voxproof {auc:.4f} sklearn {their_auc:.4f}; EER voxproof {rate:.4f} sklearn {their_rate:.4f}; largest difference of log-odds {off:.2e}")
    return max(d_weight, d_bias) <= COEFFICIENT_TOLERANCE and np.abs(np.diff(eers)).max() <= LOGISTIC_TOLERANCE


def run_voxproof(args, seed, folder):
    """Lets voxproof split, fit and score with `seed`; returns the file of scores."""
    out = Path(folder) / f"scores-{seed}.csv"
    command = [args.voxproof, "evaluate", "--manifest", args.manifest, "--feature-table", args.features, "--protocol", "random",
               "--model", args.model, "--features", args.set, "--seed", str(seed), "--report", str(Path(folder) / str(seed)), "--scores", str(out)]
    command += ["--hold-out", args.hold_out] if args.hold_out else []
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", required=True, help="feature table, JSON lines")
    parser.add_argument("--manifest", help="as for voxproof evaluate")
    parser.add_argument("--hold-out", help="as for voxproof evaluate")
    parser.add_argument("--voxproof", default="target/release/voxproof", help="the program")
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44], help="of the splits and of both fits")
    parser.add_argument("--scores", nargs="+", help="score files, one a seed, instead of running voxproof")
    parser.add_argument("--model", choices=["random-forest", "logistic", "gradient-boosting", "mlp"], default="random-forest", help="which estimator")
    parser.add_argument("--c", type=float, default=0.001, help="inverse regularisation strength, for logistic")
    parser.add_argument("--set", default="classic", help="feature set of the table")
    args = parser.parse_args()
    if not args.scores and not args.manifest:
        parser.error("--manifest is needed unless --scores is given")
    if args.scores and len(args.scores) != len(args.seeds):
        parser.error("give one score file for each seed")

    features = read_features(args.features)
    print(f"scikit-learn {sklearn.__version__}, numpy {np.__version__}")
    if args.model == "logistic":
        if not args.manifest:
            parser.error("--manifest is needed for logistic")
        sys.exit(int(not compare_logistic(args, features)))
    print("seed  mean AUC over folds: voxproof  sklearn     pooled EER: voxproof  sklearn   correlation of scores")
    aucs, eers = [], []
    with tempfile.TemporaryDirectory() as folder:
        for i, seed in enumerate(args.seeds):
            files, folds, is_ai, ours = read_scores(args.scores[i] if args.scores else run_voxproof(args, seed, folder))
            x = np.array([features[file] for file in files])
            theirs = reference(args.model, x, is_ai, folds, seed)
            by_fold = [[roc_auc_score(is_ai[folds == f], s[folds == f]) for f in sorted(set(folds))] for s in (ours, theirs)]
            aucs.append(np.mean(by_fold, axis=1))
            eers.append((eer(ours, is_ai), eer(theirs, is_ai)))
            print(f"{seed:4}  {aucs[-1][0]:29.4f}  {aucs[-1][1]:7.4f}  {eers[-1][0]:22.4f}  {eers[-1][1]:7.4f}   {np.corrcoef(ours, theirs)[0, 1]:8.4f}")
    d_auc, d_eer = (np.mean(np.diff(figures, axis=1)) for figures in (aucs, eers))
    print(f"scikit-learn minus voxproof, mean: AUC {d_auc:+.4f}, EER {d_eer:+.4f}; tolerance {TOLERANCE}")
    sys.exit(int(abs(d_auc) > TOLERANCE or abs(d_eer) > TOLERANCE))


if __name__ == "__main__":
    main()

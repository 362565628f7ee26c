"""Golden values of the gradient-boosted trees and of the MLP's training: writes models.json here.

    python make_models_golden.py        # scikit-learn 1.3.2, see requirements.txt

`rows` and `is_ai` are the data: 400 samples of 6 values, the classes not quite separable; `queries` are 60 more.

- `boosting`: StandardScaler and GradientBoostingClassifier(n_estimators=stages, learning_rate, max_depth);
  `decision` is decision_function of `queries`. Where splits are of equal worth scikit-learn takes one at random;
  the settings here are such that ten seeds agree on every value, which is checked.
- `mlp`: MLPClassifier whose weights are set to `start` below and trained for `iterations` passes over `rows`, which
  are taken as they stand, in their order (shuffle=False, no early stopping); `decision` is the log-odds of `queries`.
"""
import json
import pathlib

import numpy as np
import sklearn
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).resolve().parent
FEATURES = 6


def data():
    rng = np.random.RandomState(4)
    x = np.round(rng.normal(size=(460, FEATURES)) * [1, 10, 0.1, 3, 1, 2] + [0, 100, 0, -3, 0, 5], 4)
    z = (x - x.mean(0)) / x.std(0)
    y = z[:, 0] * z[:, 1] + np.sin(2 * z[:, 2]) + 0.5 * z[:, 3] + 0.7 * rng.normal(size=460) > 0.2
    return x[:400], y[:400], x[400:]


def boosting(rows, is_ai, queries, stages, rate, depth):
    def decision(seed):
        model = GradientBoostingClassifier(n_estimators=stages, learning_rate=rate, max_depth=depth, random_state=seed)
        return make_pipeline(StandardScaler(), model).fit(rows, is_ai).decision_function(queries)

    first = decision(0)
    for seed in range(1, 10):
        assert np.abs(decision(seed) - first).max() < 1e-9, f"ties at {stages} stages, depth {depth}"
    return {"stages": stages, "learning_rate": rate, "max_depth": depth, "decision": first.tolist()}


def start(shape, layer):
    """Weights that Rust makes too, multiples of 2^-8 within +-0.5: shape [inputs, outputs] or [outputs]."""
    i = np.arange(np.prod(shape))
    return (((i * 37 + layer * 101) % 257 - 128) / 256.0).reshape(shape)


def mlp(rows, is_ai, queries, hidden, rate, batch, iterations):
    model = MLPClassifier(hidden_layer_sizes=hidden, batch_size=batch, shuffle=False, random_state=0)
    model.partial_fit(rows, is_ai, classes=[False, True])
    for layer, (weights, bias) in enumerate(zip(model.coefs_, model.intercepts_)):
        weights[:] = start(weights.shape, 2 * layer)
        bias[:] = start(bias.shape, 2 * layer + 1)
    model._optimizer = AdamOptimizer(model.coefs_ + model.intercepts_, rate)
    for _ in range(iterations):
        model.partial_fit(rows, is_ai)
    p = model.predict_proba(queries)[:, 1]
    return {"hidden": hidden, "learning_rate": rate, "batch": batch, "iterations": iterations, "decision": (np.log(p) - np.log1p(-p)).tolist()}


def main():
    rows, is_ai, queries = data()
    scaled = StandardScaler().fit(rows)
    z, zq = scaled.transform(rows), scaled.transform(queries)
    golden = {
        "reference": {"scikit-learn": sklearn.__version__, "numpy": np.__version__},
        "rows": rows.tolist(),
        "is_ai": is_ai.tolist(),
        "queries": queries.tolist(),
        "boosting": [boosting(rows, is_ai, queries, *s) for s in [(1, 0.1, 3), (20, 0.1, 3), (60, 0.3, 2)]],
        "mlp": mlp(z, is_ai, zq, [8, 5, 3], 0.01, 150, 12),
    }
    with open(HERE / "models.json", "w") as file:
        # One line a member keeps differences readable.
        members = (f"{json.dumps(key)}: {json.dumps(value)}" for key, value in golden.items())
        file.write("{" + ",\n".join(members) + "}\n")


main()

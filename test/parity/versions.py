"""Small golden files by one version of XGBoost or LightGBM, whichever this Python has: what the versions do differently.

    python versions.py FOLDER        FOLDER/xgboost-1.0-plain.json and so on, and FOLDER/refused/xgboost-1.7-categories.json

models.py compares the newest versions at length. This needs nothing but numpy and the library, XGBoost 1.0 to 3.4 or
LightGBM 2.0 to 4.7, and leaves out what that version cannot do. `margins` and `scores` are what the library answers.
"""
import json
import pathlib
import sys
import tempfile

import numpy as np

random = np.random.RandomState(7)
ROWS = 14


def table(rows, gaps=True):
    """Columns: normal, count with zeros, huge. The label needs all of them, and the gaps."""
    columns = np.column_stack([random.normal(size=rows), random.poisson(1.5, size=rows), random.normal(size=rows) * 1e30])
    signal = columns[:, 0] + columns[:, 1] / 2 + np.sign(columns[:, 2])
    if gaps:
        missing = random.rand(rows, 3) < 0.2
        columns[missing] = np.nan
        signal += missing[:, 1]
    return columns, (signal + random.normal(size=rows) * 0.5 > 1).astype(int)


def categories(rows):
    city, amount = random.randint(0, 6, size=rows), random.normal(size=rows)
    return np.column_stack([city, amount]).astype(float), (np.isin(city, [0, 3]) * 2 + amount > 1).astype(int)


def probes(splits):
    """New rows, without anything, with zeros, and with values at thresholds and beside."""
    rows = table(ROWS)[0]
    rows[0], rows[1], rows[2] = np.nan, 0.0, 1e-36
    usable = [split for split in splits if np.isfinite(split[1])]
    for row in range(3, ROWS, 2):
        if usable:
            feature, threshold = usable[row % len(usable)]
            rows[row, feature] = [threshold, np.nextafter(threshold, -np.inf)][row // 2 % 2]
    return rows


def write(path, format_name, model, rows, scores, margins, contributions):
    golden = {
        "format": format_name,
        "rows": [[None if np.isnan(value) else value for value in row] for row in rows.tolist()],
        "scores": np.asarray(scores, dtype=float).ravel().tolist(),
        "margins": np.asarray(margins, dtype=float).ravel().tolist(),
        "contributions": np.asarray(contributions, dtype=float).tolist(),
        "model": model,
    }
    path.write_text(json.dumps(golden) + "\n", encoding="utf-8")


def saved(booster, extension):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / ("model." + extension)
        booster.save_model(str(path))
        return path.read_text(encoding="utf-8")


def try_all(steps):
    for step in steps:
        try:
            step()
        except Exception as error:  # A version that cannot do it has nothing to show.
            print(step.__name__, "left out:", str(error).split("\n")[0][:100])


def xgboost_goldens(folder, xgb):
    version = tuple(int(part) for part in xgb.__version__.split(".")[:2])
    name = "xgboost-{}.{}".format(*version)
    base = {"objective": "binary:logistic", "max_depth": 2, "nthread": 1, "seed": 0}
    train, validation = table(300), table(150)

    def golden(kind, booster, iterations=0, trees=0, owner=None):
        text = saved(owner or booster, "json")
        numbers = text.replace("-Infinity", "-1e999").replace("Infinity", "1e999")
        splits = [
            split
            for tree in json.loads(numbers)["learner"]["gradient_booster"]["model"]["trees"]
            for split in zip(tree["split_indices"], tree["split_conditions"])
        ]
        rows = probes(splits)
        matrix = xgb.DMatrix(rows)
        counted = {"iteration_range": (0, iterations)} if version >= (1, 4) else {"ntree_limit": trees}
        answers = [booster.predict(matrix, **dict(counted, **{key: True})) for key in ("output_margin", "pred_contribs")]
        write(folder / f"{name}-{kind}.json", "xgboost-json", text, rows, booster.predict(matrix, **counted), *answers)

    def refused(kind, booster):
        (folder / "refused" / f"{name}-{kind}.json").write_text(saved(booster, "json"), encoding="utf-8")

    def boosted(rounds=2, data=train, **parameters):
        return xgb.train(dict(base, **parameters), xgb.DMatrix(*data), rounds)

    def stopped(**parameters):
        sets = xgb.DMatrix(*train), xgb.DMatrix(validation[0], 1 - validation[1])
        options = dict(evals=[(sets[1], "validation")], early_stopping_rounds=1, verbose_eval=False)
        return xgb.train(dict(base, max_depth=1, **parameters), sets[0], 10, **options)

    def categorised(**parameters):
        data = categories(300)
        matrix = xgb.DMatrix(*data, feature_types=["c", "q"], enable_categorical=True)
        return xgb.train(dict(base, tree_method="hist", **parameters), matrix, 1)

    def plain():
        golden("plain", boosted(base_score=0.2))

    def forest():
        golden("forest", boosted(1, num_parallel_tree=3, subsample=0.5), 1, 3)

    def early():
        booster = stopped(num_parallel_tree=2, subsample=0.5)
        golden("early", booster, booster.best_iteration + 1, 2 * (booster.best_iteration + 1))
        refused("early", booster)

    def classifier():
        model = xgb.XGBClassifier(n_estimators=9, max_depth=1, num_parallel_tree=2, subsample=0.5, n_jobs=1)
        model.fit(*train, eval_set=[(validation[0], 1 - validation[1])], early_stopping_rounds=1, verbose=False)
        booster = model.get_booster()
        golden("classifier", booster, booster.best_iteration + 1, 2 * (booster.best_iteration + 1), model)

    def zero_is_missing():
        refused("zero-is-missing", xgb.XGBClassifier(n_estimators=1, missing=0.0, n_jobs=1, max_depth=1).fit(*train))

    def infinite_threshold():
        rows = np.where(np.isnan(train[0]), np.nan, np.array([1.0, 1.0, 3.2e38]))
        golden("infinite", boosted(data=(rows, np.isnan(rows[:, 2]).astype(int)), tree_method="hist"))

    def tiny_base():
        golden("tiny-base", boosted(base_score=1e-9))

    def no_rounds():
        refused("no-rounds", boosted(0))

    def dart():
        refused("dart", boosted(booster="dart", rate_drop=0.5))

    def by_category():
        refused("categories", categorised())

    def two_outputs():
        labels = np.column_stack([train[1], 1 - train[1]])
        refused("outputs", boosted(1, (train[0], labels), tree_method="hist", multi_strategy="multi_output_tree"))

    try_all([plain, forest, early, classifier, zero_is_missing, infinite_threshold, tiny_base])
    try_all([no_rounds, dart, by_category, two_outputs])


def lightgbm_goldens(folder, lgb):
    name = "lightgbm-" + ".".join(str(lgb.__version__).split(".")[:2])
    base = {"objective": "binary", "verbose": -1, "num_threads": 1, "seed": 0, "num_leaves": 4}
    train = table(300)

    def boosted(rounds=2, data=train, options=None, **parameters):
        return lgb.train(dict(base, **parameters), lgb.Dataset(*data, params=options), rounds)

    def text_of(booster):
        text = saved(booster, "txt")
        for heading in ("feature importances:", "feature_importances:"):
            text = text.split("\nparameters:")[0].split("\n" + heading)[0] + ("\n" + heading + "\n" if heading in text else "")
        return text

    def golden(kind, booster):
        text = text_of(booster)
        values = {key: [] for key in ("split_feature", "threshold")}
        for line in text.split("\n"):
            key, _, value = line.partition("=")
            if key in values and value:
                values[key] += [float(part) for part in value.split(" ")]
        rows = probes([(int(feature), threshold) for feature, threshold in zip(*values.values())])
        answers = [booster.predict(rows, **{key: True}) for key in ("raw_score", "pred_contrib")]
        write(folder / f"{name}-{kind}.json", "lightgbm-text", text, rows, booster.predict(rows), *answers)

    def refused(kind, booster):
        (folder / "refused" / f"{name}-{kind}.txt").write_text(text_of(booster), encoding="utf-8")

    def plain():
        golden("plain", boosted())
        refused("plain", boosted())

    def zero_is_missing():
        golden("zero-is-missing", boosted(options={"zero_as_missing": True}, zero_as_missing=True))

    def leaf():
        golden("leaf", boosted(min_data_in_leaf=1_000))

    def own_objective():
        def gradients(margin, data):
            probability = 1 / (1 + np.exp(-margin))
            return probability - data.get_label(), probability * (1 - probability)

        refused("own-objective", lgb.train(dict(base, objective="none"), lgb.Dataset(*train), 1, fobj=gradients))

    def by_category():
        rows, labels = categories(300)
        refused("categories", lgb.train(base, lgb.Dataset(rows, labels, categorical_feature=[0]), 1))

    try_all([plain, zero_is_missing, leaf, own_objective, by_category])


def main(folder):
    folder = pathlib.Path(folder)
    (folder / "refused").mkdir(parents=True, exist_ok=True)
    try:
        import xgboost
    except ImportError:
        import lightgbm
        lightgbm_goldens(folder, lightgbm)
    else:
        xgboost_goldens(folder, xgboost)


if __name__ == "__main__":
    main(*sys.argv[1:])

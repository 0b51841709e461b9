"""Trains models with the real libraries and writes down what they say, for the evaluators to say the same.

    python models.py FOLDER          every case: model, rows, scores, margins and contributions as files of doubles
    python models.py FOLDER --golden small cases, one JSON file each, for the unit tests

1. A case has a model of one library, trained on data with gaps, constants, counts, booleans and huge values.
2. Its rows are new ones of that kind. In a fifth of them, an input lies at one of the model's thresholds, or a hair beside.
3. cases.json lists the cases. A case without contributions has no independent ones to compare with.
"""
import json
import pathlib
import sys
import warnings

import lightgbm as lgb
import numpy as np
import shap
import xgboost as xgb
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "cli" / "python"))
from export_sklearn import export  # noqa: E402

warnings.filterwarnings("ignore")
# The data are small, and threads that wait for each other on a busy machine cost more than they bring.
THREADS = 1
INPUTS = 9


def table(rows, seed, gaps=True):
    """Columns: normal, skewed, count, boolean, constant, huge, small, (almost) always missing, few values."""
    random = np.random.default_rng(seed)
    columns = np.column_stack([
        random.normal(size=rows),
        random.exponential(100.0, size=rows).round(2),
        random.poisson(3.0, size=rows),
        random.random(rows) < 0.3,
        np.full(rows, 7.0),
        random.normal(size=rows) * 1e30,
        random.normal(size=rows) * 1e-30,
        np.where(random.random(rows) < 0.02, 1.0, np.nan) if gaps else random.normal(size=rows),
        random.integers(0, 4, size=rows) / 3,
    ]).astype(np.float64)
    if gaps:
        missing = random.random(columns.shape) < 0.12
        missing[:, 0] = False
        columns[missing] = np.nan
    signal = np.nan_to_num(columns[:, 0]) + np.nan_to_num(columns[:, 2]) / 3 * np.nan_to_num(columns[:, 8])
    signal += 0.8 * np.isnan(columns[:, 1]) + np.sign(np.nan_to_num(columns[:, 5])) * np.nan_to_num(columns[:, 3])
    return columns, (signal + random.normal(size=rows) * 0.7 > 1.2).astype(int)


def at_thresholds(rows, splits, seed):
    """Moves one input of every fifth row to a threshold of the model, or to a float beside it."""
    if not splits:
        return rows
    random = np.random.default_rng(seed)
    rows = rows.copy()
    for row in range(0, len(rows), 5):
        feature, threshold = splits[random.integers(len(splits))]
        beside = [
            threshold,
            np.nextafter(threshold, np.inf),
            np.nextafter(threshold, -np.inf),
            float(np.nextafter(np.float32(threshold), np.float32(np.inf))),
            float(np.nextafter(np.float32(threshold), np.float32(-np.inf))),
        ]
        rows[row, feature] = beside[random.integers(len(beside))]
    return rows


def splits_of_xgboost(text):
    trees = json.loads(text)["learner"]["gradient_booster"]["model"]["trees"]
    return [
        (feature, float(threshold))
        for tree in trees
        for feature, threshold, left in zip(tree["split_indices"], tree["split_conditions"], tree["left_children"])
        if left != -1
    ]


def splits_of_lightgbm(text):
    splits = []
    features = []
    for line in text.split("\n"):
        if line.startswith("split_feature=") and len(line) > 14:
            features = [int(value) for value in line[14:].split(" ")]
        if line.startswith("threshold=") and len(line) > 10:
            splits += zip(features, (float(value) for value in line[10:].split(" ")))
    return [(feature, threshold) for feature, threshold in splits if abs(threshold) < 1e300]


def splits_of_sklearn(exported):
    return [
        (feature, threshold)
        for tree in exported.get("trees", [])
        for feature, threshold, left in zip(tree["input"], tree["threshold"], tree["left"])
        if left != -1 and abs(threshold) < 1e300
    ]


def xgboost_case(name, train, rows, rounds=100, **parameters):
    X, y = train
    booster = xgb.train(
        {"objective": "binary:logistic", "max_depth": 6, "nthread": THREADS, "seed": 0, **parameters},
        xgb.DMatrix(X, y),
        rounds,
    )
    return xgboost_answers(name, booster, rows)


def xgboost_answers(name, booster, rows, iteration_range=(0, 0)):
    text = booster.save_raw("json").decode()
    rows = at_thresholds(rows, splits_of_xgboost(text), 1)
    matrix = xgb.DMatrix(rows)
    options = {"iteration_range": iteration_range}
    return {
        "name": name,
        "format": "xgboost-json",
        "model": text,
        "rows": rows,
        "scores": booster.predict(matrix, **options),
        "margins": booster.predict(matrix, output_margin=True, **options),
        "contributions": lambda some: booster.predict(xgb.DMatrix(some), pred_contribs=True, **options),
    }


def xgboost_early_case(train, validation, rows):
    model = xgb.XGBClassifier(n_estimators=200, max_depth=4, learning_rate=0.5, early_stopping_rounds=5, n_jobs=THREADS)
    model.fit(*train, eval_set=[validation], verbose=False)
    if model.best_iteration + 1 >= model.get_booster().num_boosted_rounds():
        sys.exit("models.py: early stopping kept every tree, so the case shows nothing")
    case = xgboost_answers("xgboost, early stopping", model.get_booster(), rows, (0, model.best_iteration + 1))
    case["scores"] = model.predict_proba(case["rows"])[:, 1]
    return case


def lightgbm_case(name, train, rows, rounds=100, **parameters):
    X, y = train
    booster = lgb.train(
        {"objective": "binary", "verbose": -1, "num_threads": THREADS, "seed": 0, **parameters},
        lgb.Dataset(X, y),
        rounds,
    )
    text = booster.model_to_string()
    rows = at_thresholds(rows, splits_of_lightgbm(text), 1)
    return {
        "name": name,
        "format": "lightgbm-text",
        "model": text,
        "rows": rows,
        "scores": booster.predict(rows),
        "margins": booster.predict(rows, raw_score=True),
        "contributions": lambda some: booster.predict(some, pred_contrib=True),
    }


def sklearn_case(name, model, train, rows, explained=True):
    model.fit(*train)
    exported = export(model)
    rows = at_thresholds(rows, splits_of_sklearn(exported), 1)
    scores = model.predict_proba(rows)[:, 1]
    is_log_odds = exported.get("output", "log-odds") == "log-odds"
    return {
        "name": name,
        "format": exported["format"],
        "model": json.dumps(exported, allow_nan=False),
        "rows": rows,
        "scores": scores,
        "margins": model.decision_function(rows) if is_log_odds else scores,
        "contributions": (lambda some: shap_of(model, some)) if explained else None,
    }


def shap_of(model, rows):
    explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    values = np.asarray(explainer.shap_values(rows, check_additivity=False))
    base = np.ravel(explainer.expected_value)
    # Classifiers that answer probabilities have values for both classes.
    values = values[..., 1] if values.ndim == 3 else values
    return np.column_stack([values, np.full(len(rows), base[-1])])


def cases(size):
    train = table(3_000, seed=10)
    validation = table(1_000, seed=11)
    rows = table(size, seed=12)[0]
    some = rows[: size // 10]
    solid_train = table(3_000, seed=13, gaps=False)
    solid = table(size, seed=14, gaps=False)[0]
    some_solid = solid[: size // 10]
    all_missing = np.full_like(some, np.nan)

    yield xgboost_case("xgboost", train, rows)
    for depth in (1, 2, 3, 8, 10):
        yield xgboost_case(f"xgboost, depth {depth}", train, some, rounds=20, max_depth=depth)
    yield xgboost_case("xgboost, one tree", train, some, rounds=1)
    yield xgboost_case("xgboost, one leaf", train, some, rounds=2, min_child_weight=1e9)
    yield xgboost_case("xgboost, nothing missing", solid_train, some_solid, rounds=20)
    yield xgboost_case("xgboost, missing without training", solid_train, some, rounds=20)
    yield xgboost_case("xgboost, all missing", train, all_missing[:10], rounds=20)
    yield xgboost_case("xgboost, weights and base", train, some, rounds=20, scale_pos_weight=30, base_score=0.03)
    yield xgboost_case("xgboost, exact and pruned", train, some, rounds=20, tree_method="exact", gamma=2.0)
    yield xgboost_case("xgboost, leaf-wise", train, some, rounds=20, grow_policy="lossguide", max_leaves=40, max_depth=0)
    yield xgboost_case("xgboost, parallel trees", train, some, rounds=5, num_parallel_tree=4, subsample=0.5)
    yield xgboost_early_case(train, validation, some)

    yield lightgbm_case("lightgbm", train, rows)
    for depth in (1, 3, 10):
        yield lightgbm_case(f"lightgbm, depth {depth}", train, some, rounds=20, max_depth=depth, num_leaves=2**depth)
    yield lightgbm_case("lightgbm, one tree", train, some, rounds=1)
    yield lightgbm_case("lightgbm, one leaf", train, some, rounds=2, min_data_in_leaf=100_000)
    yield lightgbm_case("lightgbm, nothing missing", solid_train, some, rounds=20)
    yield lightgbm_case("lightgbm, zero is missing", train, some, rounds=20, zero_as_missing=True)
    yield lightgbm_case("lightgbm, missing is not used", train, some, rounds=20, use_missing=False)
    yield lightgbm_case("lightgbm, all missing", train, all_missing[:10], rounds=20)
    yield lightgbm_case("lightgbm, weights and sigmoid", train, some, rounds=20, scale_pos_weight=30, sigmoid=0.7)
    yield lightgbm_case("lightgbm, dart", train, some, rounds=20, boosting="dart")

    scaled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    yield sklearn_case("logistic regression, scaled", scaled, solid_train, solid, explained=False)
    moderate = [0, 2, 3, 4, 8]
    train_moderate = solid_train[0][:, moderate], solid_train[1]
    plain = LogisticRegression(max_iter=1_000)
    yield sklearn_case("logistic regression", plain, train_moderate, solid[:, moderate], explained=False)

    # The library shap sends missing values of scikit-learn's trees to the right whatever the tree says, so contributions
    # are compared on rows without gaps there.
    forest = dict(n_estimators=30, max_depth=8, random_state=0, n_jobs=THREADS)
    yield sklearn_case("decision tree", DecisionTreeClassifier(max_depth=6, random_state=0), solid_train, solid)
    yield sklearn_case("decision tree, deep", DecisionTreeClassifier(random_state=0), solid_train, some_solid)
    yield sklearn_case("decision tree, gaps", DecisionTreeClassifier(max_depth=8), train, some, explained=False)
    yield sklearn_case("random forest", RandomForestClassifier(**forest), solid_train, solid)
    yield sklearn_case("random forest, gaps", RandomForestClassifier(**forest), train, rows, explained=False)
    yield sklearn_case("extra trees", ExtraTreesClassifier(**forest), solid_train, solid)
    yield sklearn_case("extra trees, gaps", ExtraTreesClassifier(**forest), train, some, explained=False)
    yield sklearn_case("gradient boosting", GradientBoostingClassifier(n_estimators=50), solid_train, solid)
    yield sklearn_case("gradient boosting, zero", GradientBoostingClassifier(init="zero"), solid_train, some_solid, explained=False)
    yield sklearn_case("histogram boosting", HistGradientBoostingClassifier(max_iter=50), solid_train, solid)
    yield sklearn_case("histogram boosting, gaps", HistGradientBoostingClassifier(), train, rows, explained=False)


def golden_cases():
    train = table(400, seed=20)
    solid_train = table(400, seed=21, gaps=False)
    rows = table(20, seed=22)[0]
    solid = table(20, seed=23, gaps=False)[0]
    rows[0] = np.nan
    yield xgboost_case("xgboost", train, rows, rounds=3, max_depth=3, base_score=0.2)
    yield lightgbm_case("lightgbm", train, rows, rounds=3, num_leaves=6)
    scaled = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    yield sklearn_case("logistic-regression", scaled, solid_train, solid, explained=False)
    yield sklearn_case("random-forest", RandomForestClassifier(3, max_depth=3, random_state=0), solid_train, solid)
    yield sklearn_case("histogram-boosting", HistGradientBoostingClassifier(max_iter=3, max_depth=3), solid_train, solid)


EXPLAINED = 300


def write(case, folder):
    """Files of a case, and its line for cases.json."""
    name = case["name"].replace(", ", "-").replace(" ", "-")
    (folder / f"{name}.model").write_text(case["model"], encoding="utf-8")
    explained = case["contributions"] and case["contributions"](case["rows"][:EXPLAINED])
    arrays = {"rows": case["rows"], "scores": case["scores"], "margins": case["margins"], "contributions": explained}
    for key, values in arrays.items():
        if values is not None:
            np.asarray(values, dtype="<f8").tofile(folder / f"{name}.{key}")
    return {
        "name": case["name"],
        "format": case["format"],
        "file": name,
        "rows": len(case["rows"]),
        "explained": 0 if explained is None else len(explained),
    }


def write_golden(case, folder):
    listed = [[None if np.isnan(value) else value for value in row] for row in case["rows"].tolist()]
    golden = {
        "format": case["format"],
        "rows": listed,
        "scores": np.asarray(case["scores"], dtype=float).tolist(),
        "margins": np.asarray(case["margins"], dtype=float).tolist(),
        "contributions": case["contributions"] and np.asarray(case["contributions"](case["rows"]), dtype=float).tolist(),
        "model": case["model"].split("\nfeature_importances:")[0],
    }
    (folder / f"{case['name']}.json").write_text(json.dumps(golden) + "\n", encoding="utf-8")


def main(folder, mode=None):
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if mode == "--golden":
        for case in golden_cases():
            write_golden(case, folder)
        return
    listed = [write(case, folder) for case in cases(10_000)]
    (folder / "cases.json").write_text(json.dumps(listed), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])

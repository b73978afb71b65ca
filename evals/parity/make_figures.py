"""Writes tests/fixtures/parity.json: random runs and what trec_eval makes of them.

    pip install -r requirements.txt && python make_figures.py

The runs have what implementations disagree about: equal scores, scores that differ only beyond single
precision, graded and negative judgements, judged queries the run lacks, queries without relevant documents,
unjudged queries, rankings shorter and longer than the cuts. A fixed seed makes the file reproducible.
"""

import json
import random
from pathlib import Path

import pytrec_eval

CUTS = [1, 3, 10, 100]
OUT = Path(__file__).parent.parent / "tests" / "fixtures" / "parity.json"


def random_case(rng, name, grades, coarse):
    documents = [f"d{n}" for n in range(rng.choice([30, 200]))]
    qrels, run = {}, {}
    for q in range(12):
        query = f"q{q}"
        judged = rng.sample(documents, rng.randint(1, 12))
        qrels[query] = {d: rng.choice(grades) for d in judged}
        if q == 3:
            qrels[query] = {d: 0 for d in judged}
        if q == 5:
            continue  # judged, but the run says nothing
        found = rng.sample(documents, rng.randint(1, min(len(documents), 120)))
        run[query] = {d: score(rng, coarse) for d in found}
    run["unjudged"] = {"d1": 1.0}
    return {"name": name, "qrels": qrels, "run": run, **figures(qrels, run)}


def score(rng, coarse):
    if coarse:
        return float(rng.randint(-2, 4))
    # One in three lies so near 0.5 that single precision cannot tell it from its neighbours.
    return 0.5 + rng.randint(0, 9) * 1e-10 if rng.random() < 0.33 else round(rng.uniform(-1, 1), 6)


def figures(qrels, run):
    cuts = ",".join(map(str, CUTS))
    measures = {f"{m}.{cuts}" for m in ("ndcg_cut", "recall", "P", "success")} | {"map", "recip_rank"}
    said = pytrec_eval.RelevanceEvaluator(qrels, measures).evaluate(run)
    per_query = {query: renamed(said[query]) for query in qrels if query in said}
    zero = {metric: 0.0 for metric in next(iter(per_query.values()))}
    for query in qrels:
        per_query.setdefault(query, zero)  # as trec_eval -c does
    mean = {m: sum(values[m] for values in per_query.values()) / len(qrels) for m in zero}
    return {"per_query": per_query, "mean": mean}


def renamed(values):
    names = {"ndcg_cut": "ndcg", "recall": "recall", "P": "p", "success": "success"}
    out = {f"{new}@{k}": values[f"{old}_{k}"] for old, new in names.items() for k in CUTS}
    out["map"] = values["map"]
    for k in CUTS:
        # trec_eval has no cut for the reciprocal rank: it stands when the first k hold something relevant.
        out[f"mrr@{k}"] = values["recip_rank"] if values[f"success_{k}"] else 0.0
    return out


def main():
    rng = random.Random(20260101)
    cases = [
        random_case(rng, "binary, fine scores", [0, 1], coarse=False),
        random_case(rng, "binary, many ties", [0, 1], coarse=True),
        random_case(rng, "graded, fine scores", [0, 1, 2, 3], coarse=False),
        random_case(rng, "graded, many ties", [0, 1, 2, 3], coarse=True),
        random_case(rng, "negative grades, many ties", [-1, 0, 1, 2], coarse=True),
    ]
    OUT.write_text(json.dumps({"source": "pytrec-eval-terrier 0.5.11", "cases": cases}) + "\n")


if __name__ == "__main__":
    main()

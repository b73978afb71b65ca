#!/usr/bin/env python3
"""Checks the golden sets: `python3 evals/golden/check.py`, Python 3.11 or later, nothing to install.

Reads every set beside this file and the shops' documents in `corpora/`. Prints each fault as `file:line: what is wrong`
(dialogues, which are one TOML file each, as `file: what is wrong`) and ends with 1 when there was one; otherwise prints
the counts. README.md in this folder defines the fields.
"""

import json
import re
import sys
import tomllib
import unicodedata
from collections import Counter, defaultdict
from pathlib import Path

HERE = Path(__file__).resolve().parent
CORPORA = HERE.parent.parent / "corpora"

SPLITS = ("dev", "test")
LANGUAGES = ("pt", "en")
ROLES = ("customer", "assistant")
TAGS = {
    # how it is written
    "abbreviation", "code-switch", "no-accents", "other-language", "slang", "typo",
    # how it is asked
    "advice", "complaint", "follow-up", "inference", "multi-question", "negotiation", "paraphrase",
    # what the answer needs
    "exception", "multi-document", "number", "table",
    # why there is no answer, or care is needed
    "health", "near-miss", "other-business", "other-shop", "personal", "safety", "stock", "unanswerable",
}
KINDS = {
    "burst", "change_of_mind", "complaint", "faq", "human", "injection_document", "injection_message",
    "language_switch", "media", "opt_out", "order", "out_of_scope", "product_advice", "return", "status",
}
ATTACHMENTS = {"audio", "document", "image", "location", "reaction", "sticker", "video"}

FEWEST_QUESTIONS = 120      # per shop
FEWEST_DIALOGUES = 40       # over all shops
FEWEST_SCOPE = 60           # per shop, in scope and out of scope each
UNANSWERABLE = (0.22, 0.28)
MOST_DIFFERENCE = 0.06      # between the halves, as a share of the set
MOST_ALIKE = 0.4            # trigram Jaccard of two questions in different halves
TAG_DIFFERENCE = 3          # between the halves, per tag and per topic


class Faults:
    """What is wrong, where."""

    def __init__(self):
        self.lines = []

    def add(self, place, text):
        self.lines.append(f"{place}: {text}")


def fold(text):
    """The text as facts are looked for in it: README.md, "How text is matched"."""
    text = unicodedata.normalize("NFKD", text.casefold())
    text = "".join(one for one in text if not unicodedata.combining(one))
    text = text.replace("’", "'").replace("–", "-").replace("*", "")
    text = " ".join(text.split())
    text = re.sub(r"(r\$|£|€) (?=\d)", r"\1", text)
    return re.sub(r"(?<=\d) %", "%", text)


def contains(text, fact):
    """Whether one of the fact's alternatives stands in the text as whole words and whole numbers."""
    text = fold(text)
    return any(stands(text, fold(one)) for one in fact.split("|"))


def stands(text, fact):
    at = text.find(fact)
    while at >= 0:
        before, after = text[:at], text[at + len(fact):]
        open_left = fact[:1].isalnum() and (before[-1:].isalnum() or re.search(r"\d[.,]$", before) and fact[0].isdigit())
        open_right = fact[-1:].isalnum() and (after[:1].isalnum() or re.match(r"[.,]\d", after) and fact[-1].isdigit())
        if not open_left and not open_right:
            return True
        at = text.find(fact, at + 1)
    return False


def trigrams(text):
    text = " " + " ".join(re.findall(r"\w+", fold(text))) + " "
    return {text[at:at + 3] for at in range(len(text) - 2)}


def alike(one, other):
    return len(one & other) / max(1, len(one | other))


def documents(tenant):
    """The shop's documents by file name."""
    folder = CORPORA / tenant
    return {path.name: path.read_text("utf-8") for path in sorted(folder.iterdir()) if path.suffix in (".md", ".txt")}


def shops():
    return {path.name: documents(path.name) for path in sorted(CORPORA.iterdir()) if (path / "shop.toml").is_file()}


def rows(path, faults):
    """Each JSON object of a file with its line number."""
    for number, line in enumerate(path.read_text("utf-8").split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as wrong:
            faults.add(f"{path.parent.name}/{path.name}:{number}", f"not JSON: {wrong}")
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            faults.add(f"{path.parent.name}/{path.name}:{number}", "not an object")


def strings(value):
    return isinstance(value, list) and all(isinstance(one, str) and one.strip() for one in value)


def shape(value, fields, optional=()):
    """The faults of a table's shape: unknown, missing and wrongly typed fields."""
    if not isinstance(value, dict):
        return ["not a table"]
    found = [f"unknown field `{name}`" for name in value if name not in fields]
    for name, fits in fields.items():
        if name not in value:
            if name not in optional:
                found.append(f"field `{name}` is missing")
        elif not fits(value[name]):
            found.append(f"field `{name}` does not fit: {value[name]!r}")
    return found


def text(value):
    return isinstance(value, str) and bool(value.strip())


def one_of(*allowed):
    return lambda value: value in allowed


def flag(value):
    return isinstance(value, bool)


CASE = {
    "id": text, "tenant": text, "language": one_of(*LANGUAGES), "split": one_of(*SPLITS), "topic": text, "question": text,
    "history": lambda value: isinstance(value, list) and all(not shape(one, {"role": one_of(*ROLES), "text": text}) for one in value),
    "answerable": flag, "references": strings,
    "supports": lambda value: isinstance(value, list) and all(not shape(one, {"source": text, "quote": text}) for one in value),
    "must_contain": strings, "must_not_contain": strings,
    "tags": lambda value: strings(value) and set(value) <= TAGS and len(value) == len(set(value)),
}


def check_case(row, docs):
    """The faults of one question, whose shape is right."""
    found = []
    if row["answerable"] != bool(row["supports"]) or row["answerable"] != bool(row["references"]):
        found.append("answerable cases, and only they, have `references` and `supports`")
    if row["answerable"] == ("unanswerable" in row["tags"]):
        found.append("the tag `unanswerable` and the field `answerable` disagree")
    if bool(row["history"]) != ("follow-up" in row["tags"]):
        found.append("cases with a history, and only they, have the tag `follow-up`")
    if row["history"] and [one["role"] for one in row["history"]] != [*ROLES] * (len(row["history"]) // 2):
        found.append("the history alternates, the customer first and the assistant last")
    if row["answerable"] and not row["must_contain"] or not row["answerable"] and row["must_contain"]:
        found.append("answerable cases, and only they, have `must_contain`")
    for one in row["supports"]:
        if one["source"] not in docs:
            found.append(f"no document `{one['source']}`")
        elif one["quote"] not in docs[one["source"]]:
            found.append(f"`{one['source']}` does not say `{one['quote']}`")
    cited = "\n".join(docs.get(one["source"], "") for one in row["supports"])
    found += [f"the cited documents do not say `{fact}`" for fact in row["must_contain"] if not contains(cited, fact)]
    wrong = [fact for fact in row["must_not_contain"] if contains(cited, fact)]
    found += [f"the cited documents say `{fact}`: who quotes them would be blamed" for fact in wrong]
    if "multi-document" in row["tags"] and len({one["source"] for one in row["supports"]}) < 2:
        found.append("the tag `multi-document` needs passages of two documents")
    said = "\n".join(row["references"])
    return found + [f"a reference says `{fact}`, which must not be told" for fact in row["must_not_contain"] if contains(said, fact)]


def check_answers(all_docs, ids, faults):
    counts = {}
    for tenant, docs in all_docs.items():
        path = HERE / "answers" / f"{tenant}.jsonl"
        name = f"answers/{path.name}"
        cases = []
        for number, row in rows(path, faults):
            place = f"{name}:{number}"
            found = shape(row, CASE) or check_case(row, docs)
            if row.get("tenant") != tenant:
                found.append(f"the tenant is not `{tenant}`")
            if row.get("id") in ids:
                found.append(f"the id `{row.get('id')}` is taken")
            ids.add(row.get("id"))
            for one in found:
                faults.add(place, one)
            if not found:
                cases.append((number, row))
        check_answer_set(name, cases, faults)
        counts[tenant] = Counter((row["split"], row["answerable"]) for _, row in cases)
    return counts


def check_answer_set(name, cases, faults):
    """What holds of a shop's questions together."""
    if len(cases) < FEWEST_QUESTIONS:
        faults.add(name, f"{len(cases)} questions, at least {FEWEST_QUESTIONS} are wanted")
    share = sum(not row["answerable"] for _, row in cases) / max(1, len(cases))
    if not UNANSWERABLE[0] <= share <= UNANSWERABLE[1]:
        faults.add(name, f"{share:.0%} of the questions have no answer, a quarter should")
    check_halves(name, [row["split"] for _, row in cases], faults)
    for what, names in (("tag", lambda row: row["tags"]), ("topic", lambda row: [row["topic"]])):
        halves = {half: Counter(one for _, row in cases if row["split"] == half for one in names(row)) for half in SPLITS}
        for one in halves["dev"].keys() | halves["test"].keys():
            dev, test = halves["dev"][one], halves["test"][one]
            if abs(dev - test) > TAG_DIFFERENCE:
                faults.add(name, f"the {what} `{one}` is unbalanced: {dev} in dev, {test} in test")
    check_leaks(name, [(number, row["question"], row["split"]) for number, row in cases], faults)
    by_source = defaultdict(list)
    for number, row in cases:
        for one in row["supports"]:
            for quote, other, where in by_source[one["source"]]:
                if other != row["split"] and (quote in one["quote"] or one["quote"] in quote):
                    faults.add(f"{name}:{number}", f"the same passage supports line {where} in the other half")
            by_source[one["source"]].append((one["quote"], row["split"], number))


def check_halves(name, splits, faults):
    count = Counter(splits)
    if abs(count["dev"] - count["test"]) > MOST_DIFFERENCE * max(1, len(splits)):
        faults.add(name, f"the halves are unequal: {count['dev']} in dev, {count['test']} in test")


def check_leaks(name, texts, faults):
    """No two texts of different halves are nearly the same, no two texts at all are the same."""
    known = []
    for number, words, split in texts:
        grams = trigrams(words)
        for other, others, half in known:
            likeness = alike(grams, others)
            if likeness == 1 or half != split and likeness >= MOST_ALIKE:
                faults.add(f"{name}:{number}", f"nearly the same as line {other} ({likeness:.2f})")
        known.append((number, grams, split))


def words(value):
    """One or more texts: what is said in a turn."""
    return strings(value) and bool(value)


EXPECT = {
    "contains_any": words, "contains_all": words, "not_contains": words, "source_any": words,
    "language": one_of(*LANGUAGES), "silence": flag,
}
GOAL = {"handed_off": flag, "handoff_reason_any": words, "opted_out": flag, "told_all": words, "told_none": words}
ATTACH = {"type": one_of(*ATTACHMENTS), "text": lambda value: isinstance(value, str)}
WHEN = {"contains_any": words, "matches": text, "say": words}


def tables(fields, optional=()):
    return lambda value: isinstance(value, list) and bool(value) and all(not shape(one, fields, optional) for one in value)


TURN = {
    "say": strings, "variants": lambda value: isinstance(value, list) and bool(value) and all(words(one) for one in value),
    "attach": tables(ATTACH), "when": tables(WHEN, ("contains_any", "matches")),
    "expect": lambda value: bool(value) and not shape(value, EXPECT, EXPECT),
}
DIALOGUE = {
    "id": text, "tenant": text, "language": one_of(*LANGUAGES), "split": one_of(*SPLITS), "kind": one_of(*KINDS), "description": text,
    "customer": lambda value: not shape(value, {"phone": lambda phone: bool(re.fullmatch(r"\d{10,15}", str(phone))), "name": text}),
    "turn": lambda value: isinstance(value, list) and bool(value),
    "goal": lambda value: not shape(value, GOAL, GOAL) and bool(value),
}


def check_turn(turn, docs):
    """The faults of one turn of a dialogue."""
    inner = shape(turn["expect"], EXPECT, EXPECT) if isinstance(turn, dict) and "expect" in turn else []
    found = [f"`expect`: {one}" for one in inner] or shape(turn, TURN, ("variants", "attach", "when", "expect"))
    if found:
        return found
    if not turn["say"] and "attach" not in turn:
        found.append("a turn says or attaches something")
    for one in turn.get("when", []):
        if ("contains_any" in one) == ("matches" in one):
            found.append("`when` has either `contains_any` or `matches`")
        try:
            re.compile(one.get("matches", ""))
        except re.error as wrong:
            found.append(f"`matches` is not a regular expression: {wrong}")
    expect = turn.get("expect", {})
    if expect.get("silence") and len(expect) > 1:
        found.append("who expects silence expects nothing else")
    sources = expect.get("source_any", [])
    found += [f"no document `{one}`" for one in sources if one not in docs]
    said = "\n".join(docs.get(one, "") for one in sources)
    if sources:
        facts = expect.get("contains_all", [])
        found += [f"none of `source_any` says `{fact}`" for fact in facts if not contains(said, fact)]
        some = expect.get("contains_any", [])
        if some and not any(contains(said, fact) for fact in some):
            found.append("none of `source_any` says any of `contains_any`")
    return found


def check_dialogues(all_docs, ids, faults):
    read, phones = [], {}
    for path in sorted((HERE / "dialogues").glob("*.toml")):
        try:
            case = tomllib.loads(path.read_text("utf-8"))
        except tomllib.TOMLDecodeError as wrong:
            faults.add(path.name, f"not TOML: {wrong}")
            continue
        found = [f"`goal`: {one}" for one in shape(case["goal"], GOAL, GOAL)] if "goal" in case else []
        found = found or shape(case, DIALOGUE)
        if not found and case["tenant"] not in all_docs:
            found.append(f"no shop `{case['tenant']}`")
        if not found:
            docs = all_docs[case["tenant"]]
            found += [f"turn {at}: {one}" for at, turn in enumerate(case["turn"], 1) for one in check_turn(turn, docs)]
            phone = case["customer"]["phone"]
            if phone in phones:
                found.append(f"the phone belongs to `{phones[phone]}`")
            phones[phone] = case["id"]
            if case["id"] != path.stem or case["id"] in ids:
                found.append("the id is the file's name, and nobody else's")
            ids.add(case["id"])
            read.append(case)
        for one in found:
            faults.add(path.name, one)
    if len(read) < FEWEST_DIALOGUES:
        faults.add("dialogues", f"{len(read)} dialogues, at least {FEWEST_DIALOGUES} are wanted")
    check_halves("dialogues", [case["split"] for case in read], faults)
    for kind in KINDS:
        halves = Counter(case["split"] for case in read if case["kind"] == kind)
        if abs(halves["dev"] - halves["test"]) > 1:
            faults.add("dialogues", f"the kind `{kind}` is unbalanced: {dict(halves)}")
    return Counter((case["tenant"], case["split"]) for case in read)


def check_scope(all_docs, faults):
    counts = {}
    for tenant in all_docs:
        path = HERE / "scope" / f"{tenant}.jsonl"
        name = f"scope/{path.name}"
        read = []
        for number, row in rows(path, faults):
            found = shape(row, {"text": text, "in_scope": flag, "split": one_of(*SPLITS)})
            for one in found:
                faults.add(f"{name}:{number}", one)
            if not found:
                read.append((number, row))
        for within in (True, False):
            some = [row["split"] for _, row in read if row["in_scope"] == within]
            if len(some) < FEWEST_SCOPE:
                faults.add(name, f"{len(some)} messages with in_scope = {within}, at least {FEWEST_SCOPE} are wanted")
            check_halves(name, some, faults)
        check_leaks(name, [(number, row["text"], row["split"]) for number, row in read], faults)
        counts[tenant] = Counter((row["split"], row["in_scope"]) for _, row in read)
    return counts


def main():
    faults, ids, all_docs = Faults(), set(), shops()
    answers = check_answers(all_docs, ids, faults)
    dialogues = check_dialogues(all_docs, ids, faults)
    scope = check_scope(all_docs, faults)
    for line in faults.lines:
        print(line, file=sys.stderr)
    for tenant in all_docs:
        some, scopes = answers[tenant], scope[tenant]
        print(
            f"{tenant}: {some.total()} questions ({some['dev', False] + some['test', False]} without an answer), "
            f"{dialogues[tenant, 'dev'] + dialogues[tenant, 'test']} dialogues, {scopes.total()} messages for scope"
        )
    print(f"{len(faults.lines)} faults" if faults.lines else "no faults")
    return 1 if faults.lines else 0


if __name__ == "__main__":
    sys.exit(main())

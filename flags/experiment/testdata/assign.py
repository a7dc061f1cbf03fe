"""The recipe itself, as an application has it: the oracle of assign_test.go.

Reads lines "name TAB variants, with commas TAB traffic TAB user" and writes,
for each, "bucket TAB variant".
"""

import hashlib
import sys
from dataclasses import dataclass


@dataclass
class Experiment:
    name: str
    variants: list[str]
    traffic_percent: float  # 0.0 to 1.0


def assign_variant(experiment: Experiment, user_id: str) -> str:
    hash_input = f"{experiment.name}:{user_id}"
    hash_value = int(hashlib.sha256(hash_input.encode()).hexdigest(), 16)

    # Check if user is in the experiment traffic
    bucket = (hash_value % 10000) / 10000
    if bucket > experiment.traffic_percent:
        return "control"  # Not in experiment

    # Assign to variant
    variant_index = hash_value % len(experiment.variants)
    return experiment.variants[variant_index]


def bucket(name: str, user_id: str) -> int:
    return int(hashlib.sha256(f"{name}:{user_id}".encode()).hexdigest(), 16) % 10000


def main() -> None:
    sys.stdin.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    for line in sys.stdin:
        name, variants, traffic, user = line.rstrip("\n").split("\t")
        e = Experiment(name, variants.split(","), float(traffic))
        sys.stdout.write(f"{bucket(name, user)}\t{assign_variant(e, user)}\n")


main()

"""Make `schedules.json`: the learning rates of Keras 3's schedules, and of PyTorch's OneCycleLR, in float64.

README.md says where to run it.
"""

import json
import os
import warnings
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"  # on JAX Keras takes cosines in float32, and on NumPy powers

import keras
import numpy as np
import torch

STEPS = [0, 1, 2, 5, 9, 10, 11, 15, 19, 20, 21, 25, 29, 30, 31, 49, 50, 69, 71, 99]

KERAS = [
    ("ExponentialDecay", {"initial_learning_rate": 0.3, "decay_steps": 10, "decay_rate": 0.7}),
    ("ExponentialDecay", {"initial_learning_rate": 0.3, "decay_steps": 10, "decay_rate": 0.7, "staircase": True}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.3, "decay_steps": 10, "decay_rate": 0.7}),
    ("InverseTimeDecay", {"initial_learning_rate": 0.3, "decay_steps": 10, "decay_rate": 0.7, "staircase": True}),
    ("PolynomialDecay", {"initial_learning_rate": 0.3, "decay_steps": 30}),
    ("PolynomialDecay", {"initial_learning_rate": 0.3, "decay_steps": 30, "end_learning_rate": 0.05, "power": 2.5}),
    ("PolynomialDecay", {"initial_learning_rate": 0.3, "decay_steps": 10, "power": 0.5, "cycle": True}),
    ("PiecewiseConstantDecay", {"boundaries": [9, 20, 50], "values": [0.4, 0.3, 0.1, 0.05]}),
    ("CosineDecay", {"initial_learning_rate": 0.3, "decay_steps": 30}),
    ("CosineDecay", {"initial_learning_rate": 0.3, "decay_steps": 50, "alpha": 0.2}),
    (
        "CosineDecay",
        {"initial_learning_rate": 0.1, "decay_steps": 40, "alpha": 0.1, "warmup_target": 0.5, "warmup_steps": 10},
    ),
    ("CosineDecay", {"initial_learning_rate": 0.1, "decay_steps": 40, "warmup_target": 0.5}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.3, "first_decay_steps": 10}),
    ("CosineDecayRestarts", {"initial_learning_rate": 0.3, "first_decay_steps": 7, "t_mul": 1.5, "m_mul": 0.8}),
    (
        "CosineDecayRestarts",
        {"initial_learning_rate": 0.3, "first_decay_steps": 10, "t_mul": 1.0, "m_mul": 0.9, "alpha": 0.1},
    ),
]
ONE_CYCLE = [
    {"max_learning_rate": 0.3, "total_steps": 100},
    {"max_learning_rate": 0.3, "total_steps": 100, "pct_start": 0.45, "anneal_strategy": "linear"},
    {"max_learning_rate": 0.3, "total_steps": 100, "div_factor": 5.0, "final_div_factor": 20.0},
]


def of_keras(name, config):
    wide = {k: np.float64(v) if k == "initial_learning_rate" else v for k, v in config.items()}
    if "values" in config:
        wide["values"] = [np.float64(value) for value in config["values"]]
    schedule = getattr(keras.optimizers.schedules, name)(**wide)
    rates = [np.asarray(schedule(step)) for step in STEPS]
    assert all(rate.dtype == np.float64 for rate in rates), (name, rates[0].dtype)
    return {"class_name": name, "config": config, "rates": [float(rate) for rate in rates]}


def of_torch(config):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=config["max_learning_rate"], **{k: v for k, v in config.items() if k != "max_learning_rate"}
    )
    rates = []
    for _ in range(config["total_steps"]):
        rates.append(schedule.get_last_lr()[0])
        if len(rates) < config["total_steps"]:
            schedule.step()
    return {"class_name": "OneCycle", "config": config, "rates": [float(rates[step]) for step in STEPS]}


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
    keras.config.set_floatx("float64")
    cases = [of_keras(name, config) for name, config in KERAS] + [of_torch(config) for config in ONE_CYCLE]
    versions = {"keras": keras.__version__, "torch": torch.__version__}
    lines = ",\n".join(json.dumps(case) for case in cases)
    text = f'{{"versions": {json.dumps(versions)}, "steps": {STEPS}, "cases": [\n{lines}\n]}}\n'
    Path(__file__).with_name("schedules.json").write_text(text)

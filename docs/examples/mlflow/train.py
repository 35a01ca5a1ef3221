#!/usr/bin/env python3
"""Trains on a snapshot, and logs to MLflow what it was trained on.

    train.py /datasets/project1/.snapshots/run1/train.csv [--epochs 200]

The file has one sample a line: features, then the label 0 or 1. Prints the id of the run.
"""
import argparse
import sys

import mlflow
import numpy as np

import ontap_mlflow


def fit(x, y, epochs, rate=0.5):
    """Logistic regression by gradient descent: weights, the last one is the bias."""
    x = np.hstack([x, np.ones((len(x), 1))])
    w = np.zeros(x.shape[1])
    for epoch in range(epochs):
        p = 1 / (1 + np.exp(-x @ w))
        w -= rate * x.T @ (p - y) / len(y)
        if epoch % 50 == 0 or epoch == epochs - 1:
            mlflow.log_metric("loss", float(-np.mean(y * np.log(p + 1e-12) + (1 - y) * np.log(1 - p + 1e-12))), step=epoch)
    mlflow.log_metric("accuracy", float(np.mean((x @ w > 0) == y)))
    return w


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("data", help="a CSV file in a snapshot")
    parser.add_argument("--epochs", type=int, default=200)
    args = parser.parse_args()
    with mlflow.start_run() as run:
        try:
            # First: a run that reads what may change should not train at all.
            ontap_mlflow.log_data(args.data)
            table = np.loadtxt(args.data, delimiter=",", ndmin=2)
        except (OSError, ValueError) as error:
            mlflow.end_run("FAILED")
            sys.exit("train.py: %s" % error)
        mlflow.log_params({"epochs": args.epochs, "samples": len(table)})
        weights = fit(table[:, :-1], table[:, -1], args.epochs)
        mlflow.log_dict({"weights": weights.tolist()}, "weights.json")
    print(run.info.run_id)


if __name__ == "__main__":
    main()

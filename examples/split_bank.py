"""Split Bank Marketing's complete rows into three tables for ``salutary label``.

Usage: python split_bank.py bank_marketing.parquet FOLDER
"""

import sys
from pathlib import Path

import pandas as pd

source, folder = sys.argv[1], Path(sys.argv[2])
bank = pd.read_parquet(source)
complete = bank[(bank != "unknown").all(axis=1)].drop(columns="duration")
shuffled = complete.sample(frac=1, random_state=0)
folder.mkdir(parents=True, exist_ok=True)
shuffled[:300].to_csv(folder / "train.csv", index=False)
shuffled[300:1300].to_csv(folder / "val.csv", index=False)
shuffled[1300:].drop(columns="label").to_csv(folder / "pool.csv", index=False)

"""Make three tables for ``salutary advise``, with a million rows in the pool.

Usage: python million_rows.py FOLDER
"""

import sys
from pathlib import Path

import pandas as pd
from sklearn.datasets import make_classification

folder = Path(sys.argv[1])
X, y = make_classification(1_001_200, 64, n_informative=20, n_classes=4, random_state=0)
rows = pd.DataFrame(X.astype("float32")).add_prefix("x").assign(y=y)
folder.mkdir(parents=True, exist_ok=True)
rows[:200].to_parquet(folder / "train.parquet")
rows[200:1200].to_parquet(folder / "val.parquet")
rows[1200:].drop(columns="y").to_parquet(folder / "pool.parquet")

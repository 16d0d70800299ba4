"""Make four tables to try ``salutary`` on, from data that comes with scikit-learn.

Usage: python make_tables.py FOLDER
"""

import sys
from pathlib import Path

from sklearn.datasets import load_breast_cancer

folder = Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
data = load_breast_cancer(as_frame=True)
rows = data.data.assign(diagnosis=data.target_names[data.target])
rows = rows.sample(frac=1, random_state=0)
rows[:40].to_csv(folder / "train.csv", index=False)
rows[40:140].to_csv(folder / "val.csv", index=False)
rows[140:440].drop(columns="diagnosis").to_csv(folder / "pool.csv", index=False)
rows[440:].to_csv(folder / "new.csv", index=False)

from dataclasses import dataclass

import pandas as pd


@dataclass
class RulesShown:
    found: pd.DataFrame

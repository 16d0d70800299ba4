"""Models that are not the optimum of the rows passed with them."""

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from salutary import InfluenceWarning, add_one_in, label_influence


@pytest.mark.parametrize("function", ["label_influence", "add_one_in"])
@pytest.mark.parametrize("change", ["rows", "weights", "C", "nothing"])
def test_rows_that_the_model_was_not_fitted_on_are_told(
    function: str, change: str
) -> None:
    X, y = load_iris(return_X_y=True)
    C = 0.1 if change == "C" else 1.0
    model = LogisticRegression(C=C, tol=1e-10, max_iter=10_000).fit(X[::3], y[::3])
    model.C = 1.0
    first = 1 if change == "rows" else 0
    rows = {"X_train": X[first::3], "y_train": y[first::3]}
    if change == "weights":
        rows["sample_weight"] = np.linspace(0.5, 1.5, 50)
    rows |= {"X_val": X[2::3], "y_val": y[2::3]}
    found = {"label_influence": label_influence, "add_one_in": add_one_in}[function]
    if change == "nothing":
        found(model, X[:5], **rows)
        return
    with pytest.warns(InfluenceWarning) as caught:
        found(model, X[:5], **rows)
    message = str(caught[0].message)
    assert "fitted on other rows than these training rows, or has not" in message
    assert "refit it with a smaller tol" in message
    assert "if they are not, pass those" in message
    assert caught[0].filename == __file__

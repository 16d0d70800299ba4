"""Which tools are compared, and what each is called on the page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tool:
    """A way of a module beside this one.

    ``elsewhere`` says that it runs in the environment of the peers, ``pairs`` how often
    it is timed.
    """

    name: str
    module: str
    way: str
    elsewhere: bool = False
    pairs: int = 9


SALUTARY = Tool("salutary, `label_influence`", "influence_salutary", "label_influence")

INFLUENCES = (
    Tool("NumPy, one product", "influence_loop", "one product"),
    Tool("NumPy, a loop over the classes", "influence_loop", "a loop"),
    Tool("torch.func, `jvp`", "influence_torch", "jvp"),
    Tool("torch.func, `vmap(grad)`", "influence_torch", "vmap(grad)", pairs=3),
    Tool("pyDVL, `DirectInfluence`", "influence_pydvl", "DirectInfluence", True, 3),
    Tool("pyDVL, `CgInfluence`", "influence_pydvl", "CgInfluence", True, 3),
    Tool("kronfluence, EK-FAC", "influence_kronfluence", "EK-FAC", True, 3),
)

SALUTARY_CHOICE = Tool("salutary, score and pick", "query_salutary", "choose_batches")
QUERIES = (
    # The first, as others are held against it.
    Tool("scikit-learn alone, margin", "query_sklearn", "margin"),
    Tool("modAL, margin", "query_modal", "margin", True),
    Tool("scikit-activeml, margin", "query_skactiveml", "margin"),
    Tool("scikit-activeml, BADGE", "query_skactiveml", "BADGE", pairs=3),
    Tool("scikit-activeml, CoreSet", "query_skactiveml", "CoreSet", pairs=3),
    Tool("small-text, BreakingTies", "query_small_text", "BreakingTies", True),
    Tool("small-text, GreedyCoreset", "query_small_text", "GreedyCoreset", True, 3),
)

FITS = (
    Tool("scikit-learn, `LogisticRegression().fit`", "query_sklearn", "fit"),
    Tool("salutary, `guard=False`", "query_salutary", "fit, no guard"),
    Tool("salutary, as it comes", "query_salutary", "fit", pairs=3),
)

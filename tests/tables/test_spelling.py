"""What texts spell, and texts that are slices of others."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from salutary.tables.spelling import only_where, with_gaps

TEXTS = st.lists(st.none() | st.sampled_from(["", "?", "a", "bcd", "é€", "NA", "12"]))


@given(st.lists(TEXTS, min_size=1, max_size=3), st.data())
def test_slices_of_texts_stay_as_they_are(chunks: list[list[str]], data: st.DataObject):
    parts, expected = [], []
    for chunk in chunks:
        start = data.draw(st.integers(0, len(chunk)))
        parts.append(pa.array(chunk, pa.string()).slice(start))
        expected += chunk[start:]
    values = pa.chunked_array(parts, pa.string())
    found = with_gaps(values)
    found.validate(full=True)
    gaps = {None, "", "?", "NA"}
    assert found.to_pylist() == [None if text in gaps else text for text in expected]
    known = data.draw(
        st.lists(
            st.none() | st.booleans(), min_size=len(expected), max_size=len(expected)
        )
    )
    found = only_where(pa.chunked_array([pa.array(known, pa.bool_())]), values)
    found.validate(full=True)
    paired = zip(expected, known, strict=True)
    assert found.to_pylist() == [text if keep else None for text, keep in paired]

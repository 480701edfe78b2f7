"""The engine under ThreadSanitizer."""

import pytest

from tests.native import building


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.promise("ThreadSanitizer reports no race in training, in models that threads share, and in the C library")
def test_no_races(figure, tmp_path):
    if not building.compiles("#include <nlohmann/json.hpp>\nint main() {}", "-fsanitize=thread"):
        pytest.skip("needs nlohmann/json and ThreadSanitizer")
    output = building.run(building.ROOT / ".ci" / "tsan", tmp_path)
    *did, last = output.splitlines()[-6:]
    assert last == "no races"
    figure("0 races: " + "; ".join(did))

"""``nnstruct search`` on a recipe."""

TEXT = """
task = { name = "digits", options = { val = 0.3 } }
space = { families = ["mlp"], units = [4, 9] }
guide = { name = "none" }
search = { generations = 1, per_generation = 2, params = { population = 2 } }
train = { epochs = 1 }
finish = { top = 1, seeds = 2 }
expected = { winner = [0.99, 1.0] }
"""


def test_the_command_takes_a_recipe_and_nothing_that_it_says(tmp_path, call):
    file, out = tmp_path / "search-digits.toml", tmp_path / "found"
    file.write_text(TEXT)
    result = call("search", file, "-o", out, "--workers", 1)
    assert "winner, trained again" in result.stdout
    assert "0.99 to 1" in result.stdout
    assert "not as the recipe expects: winner" in result.stderr
    call("search", file, "-o", out, "--strict", "-q", code=1)
    refused = call("search", file, "--guide", "none", "-o", out, code=1)
    assert "--guide must be left out with a recipe" in refused.stderr

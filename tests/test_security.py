"""That no file, name or argument can make pyrnn run code, start a program, or write outside of the folder it was given."""

import ast
import pickle
import pickletools

import pytest

import pyrnn
from pyrnn import layers
from tests.native.building import ROOT

SOURCES = [*ROOT.glob("pyrnn/**/*.py"), *ROOT.glob("tasks/**/*.py")]

# Modules that run what they read, or start programs, or read files that expand without bound
MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "shelve",
    "marshal",
    "subprocess",
    "pty",
    "code",
    "yaml",
}
MODULES |= {"runpy", "tarfile", "xml", "torch", "keras", "tensorflow"}
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
ATTRIBUTES = {
    "system",
    "popen",
    "fork",
    "execv",
    "execve",
    "execvp",
    "spawnv",
    "posix_spawn",
    "startfile",
    "extractall",
}


def found(path):
    """(line, what) for each construct of the file that could run code or a program, and each pickle that it allows."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.split(".")[0] in MODULES]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module] if node.module.split(".")[0] in MODULES else []
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            names = [node.func.id] if node.func.id in CALLS else []
        elif isinstance(node, ast.Attribute):
            names = [node.attr] if node.attr in ATTRIBUTES else []
        if isinstance(node, ast.Call):
            options = {keyword.arg: keyword.value for keyword in node.keywords}
            for name in {"allow_pickle", "shell"} & set(options):
                if not (isinstance(options[name], ast.Constant) and options[name].value is False):
                    names.append(name)
            if isinstance(node.func, ast.Attribute) and node.func.attr == "load" and "allow_pickle" not in options:
                names += ["np.load"] if ast.unparse(node.func.value) in ("np", "numpy") else []
        yield from ((node.lineno, name) for name in names)


@pytest.mark.promise("No pickle, no eval, no shell, no YAML in pyrnn and its tasks")
def test_no_source_can_run_what_it_reads(figure):
    assert len(SOURCES) > 80
    assert [(path, line, what) for path in SOURCES for line, what in found(path)] == []
    figure(f"{len(SOURCES)} files, no exception")


@pytest.mark.parametrize(
    "text, what",
    [
        ("import pickle", "pickle"),
        ("from subprocess import run", "subprocess"),
        ("eval('1')", "eval"),
        ("os.system('ls')", "system"),
        ("run(['ls'], shell=True)", "shell"),
        ("np.load(path)", "np.load"),
        ("np.load(path, allow_pickle=flag)", "allow_pickle"),
        ("archive.extractall()", "extractall"),
    ],
)
def test_the_search_finds_what_it_is_for(tmp_path, text, what):
    (tmp_path / "a.py").write_text(text)
    assert (1, what) in list(found(tmp_path / "a.py"))


@pytest.mark.promise("A pickled model is the bytes of its file, and names nothing but what loads them")
def test_a_pickled_model_names_only_what_loads_it(figure):
    model = pyrnn.Sequential([layers.LSTM(3, input_shape=(None, 2)), layers.Dense(2)])
    model.compile("adam", "mse")
    texts, named = [], set()
    for opcode, argument, _ in pickletools.genops(pickle.dumps(model, protocol=4)):
        if opcode.name == "STACK_GLOBAL":
            named.add(".".join(texts[-2:]))
        elif isinstance(argument, str):
            texts.append(argument)
    assert named and all(name.startswith("pyrnn.") for name in named), named
    figure(f"{len(named)} name: {', '.join(sorted(named))}")

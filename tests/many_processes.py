"""Run by test_processes.py: `python -m tests.many_processes KIND COUNT` has children compute what their parent does.

The parent's threads have been at work when the children come to be. Prints what was done, where all had the same bits.
"""

import hashlib
import multiprocessing
import os
import sys
import threading
import traceback

import numpy as np

import pyrnn
from pyrnn import layers

THREADS = 2


def model_and_data(seed=0):
    pyrnn.utils.set_random_seed(seed)
    model = pyrnn.Sequential([layers.Input((12, 8)), layers.LSTM(48), layers.Dense(1)])
    model.compile("adam", "mse")
    rng = np.random.default_rng(seed)
    return model, rng.standard_normal((64, 12, 8)), rng.standard_normal((64, 1))


def digest(*arrays):
    return hashlib.sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()


def worked(model, x, y):
    """What predict, evaluate, a stream and fit make of a model, all in one."""
    outputs = [
        model.predict(x, verbose=0),
        np.array(model.evaluate(x, y, verbose=0)),
        model.stream(64).run(x.swapaxes(0, 1)),
    ]
    model.fit(x, y, batch_size=32, shuffle=False, verbose=0)
    return digest(*outputs, *model.get_weights())


def work(seed):
    """For a child that has nothing from its parent but this call."""
    pyrnn.set_num_threads(THREADS)
    return worked(*model_and_data(seed))


def work_on(model):
    """For a child that is given a model."""
    _, x, y = model_and_data()
    return worked(model, x, y)


def threads_here():
    """Of Python and the engine, where the system tells."""
    return len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else None


def forked(run):
    """The exit status of a child that runs `run`; it must end by itself."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if run() else 2
        finally:
            if status == 1:
                traceback.print_exc()
            os._exit(status)
    return os.waitpid(child, 0)[1]


def plain_forks(count):
    """Children that go on with the model of their parent, each after a child of its own, which does so too."""
    model, x, y = model_and_data()
    weights, expected = model.get_weights(), worked(model, x, y)  # here the threads begin

    def same(generations=2):
        model.set_weights(weights)
        model.compile("adam", "mse")
        below = generations == 0 or forked(lambda: same(generations - 1)) == 0
        return below and worked(model, x, y) == expected and threads_here() in (THREADS, None)

    for _ in range(count):
        assert forked(same) == 0
        assert same(0)
    return f"{count} forks, 2 more generations each"


def busy_forks(count):
    """Children of a process whose other threads predict with a model, stream from it, evaluate it, and train another one.

    They use both, and must find the one that learns as a whole batch left it.
    """
    model, x, y = model_and_data()
    expected = model.predict(x, verbose=0), model.evaluate(x, y, verbose=0)
    learner, x1, y1 = model_and_data(1)
    learner.predict(x1, verbose=0)  # there is an engine from here on
    done = threading.Event()

    def until_done(body):
        def run():
            while not done.is_set():
                body()

        return threading.Thread(target=run)

    stream, steps = model.stream(64), x.swapaxes(0, 1)
    busy = [
        until_done(lambda: model.predict(x, verbose=0)),
        until_done(lambda: model.predict(x[:40], verbose=0)),
        until_done(lambda: model.evaluate(x, y, verbose=0)),
        until_done(lambda: stream.run(steps)),
        until_done(lambda: learner.fit(x1, y1, batch_size=64, epochs=9, shuffle=False, verbose=0)),
    ]
    ours, theirs = os.pipe()

    def same():
        batches = learner._network.get_optimizer_state()["iterations"]
        os.write(theirs, f"{batches} {digest(*learner.get_weights())}\n".encode())
        answers = model.predict(x, verbose=0), model.evaluate(x, y, verbose=0)
        stream.run(steps)
        learner.fit(x1, y1, verbose=0)
        return (
            np.array_equal(answers[0], expected[0]) and answers[1] == expected[1] and threads_here() in (THREADS, None)
        )

    for thread in busy:
        thread.start()
    try:
        for _ in range(count):
            assert forked(same) == 0
    finally:
        done.set()
        for thread in busy:
            thread.join()
    os.close(theirs)
    with os.fdopen(ours) as lines:
        found = dict(line.split() for line in lines)
    assert len(found) > 1, "nothing was learned meanwhile"
    replayed, x1, y1 = model_and_data(1)
    for batches in range(max(map(int, found)) + 1):
        assert found.get(str(batches), wanted := digest(*replayed.get_weights())) == wanted
        replayed.train_on_batch(x1, y1)
    return f"{count} forks, {len(busy)} threads busy"


def of_pool(method):
    def run(count):
        with multiprocessing.get_context(method).Pool(2) as pool:
            return pool.map(work, range(count)), pool.map(work_on, [model_and_data(i)[0] for i in range(count)])

    return run


def of_joblib(backend):
    def run(count):
        import joblib

        def parallel(body, items):
            return joblib.Parallel(n_jobs=2, backend=backend)(joblib.delayed(body)(item) for item in items)

        return parallel(work, range(count)), parallel(work_on, [model_and_data(i)[0] for i in range(count)])

    return run


def of_torch(count):
    """The workers of a DataLoader are forked from a process where torch has trained too."""
    import torch

    class Answers(torch.utils.data.Dataset):
        def __init__(self):
            self.models = [model_and_data(i)[0] for i in range(count)]

        def __len__(self):
            return count

        def __getitem__(self, i):
            return work(i), work_on(self.models[i])

    net = torch.nn.LSTM(32, 32)
    net(torch.zeros(32, 64, 32))[0].sum().backward()
    by_child = list(torch.utils.data.DataLoader(Answers(), batch_size=None, num_workers=2))
    return [made for made, _ in by_child], [made for _, made in by_child]


WORKERS = {
    "multiprocessing, fork": of_pool("fork"),
    "multiprocessing, spawn": of_pool("spawn"),
    "multiprocessing, forkserver": of_pool("forkserver"),
    "joblib, loky": of_joblib("loky"),
    "joblib, multiprocessing": of_joblib("multiprocessing"),
    "PyTorch DataLoader": of_torch,
}


def workers(kind, count):
    made_here = [work(i) for i in range(count)]
    made_there, made_of_given = WORKERS[kind](count)
    assert made_there == made_here
    assert made_of_given == [work_on(model_and_data(i)[0]) for i in range(count)]
    return f"{2 * count} jobs in 2 workers"


if __name__ == "__main__":
    kind, count = sys.argv[1], int(sys.argv[2])
    pyrnn.set_num_threads(THREADS)
    alone = {"forks": plain_forks, "forks of a busy process": busy_forks}
    print(alone[kind](count) if kind in alone else workers(kind, count))

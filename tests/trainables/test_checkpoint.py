from __future__ import annotations

import errno
import hashlib
import io
import pickle
import random
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trainables import checkpoint
from trainables.checkpoint import CheckpointError
from trainables.folder import Folder
from trainables.plain import strange


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "trial"))


def path(folder: Folder, name: str) -> Path:
    return Path(folder.location, name)


def state(step: int) -> dict[str, Any]:
    trial = {"step": step, "weights": torch.arange(4) * step, "nested": {"list": [1, "two", None]}}
    run = {"identity": "s/one/0", "history": [{"step": step, "score": 0.5}], "diverged": None}
    return {**run, "trial": trial, "seconds": 1.5}


def usable(folder: Folder) -> list[int]:
    found = checkpoint.newest_first(folder)
    return [s["trial"]["step"] for s in found if not isinstance(s, CheckpointError)]


def planted(folder: Folder, step: int, content: bytes) -> str:
    """Writes a checkpoint with a right digest: whoever can write to the folder can compute it."""
    digest = hashlib.sha256(content).hexdigest()[:16]
    name = f"checkpoint-{step:010d}-{digest}.pt"
    folder.write(name, content)
    return name


def packed(value: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def test_what_was_saved_is_loaded(folder: Folder) -> None:
    name = checkpoint.save(folder, 10, state(10))
    loaded = checkpoint.load(folder, name)["trial"]
    assert torch.equal(loaded["weights"], torch.arange(4) * 10)
    assert loaded["nested"] == {"list": [1, "two", None]}


WITHOUT_TORCH = """
import sys
from trainables import checkpoint
from trainables.folder import Folder

trial = {"step": 10, "x": [0.1, -1e300, 2**80], "stream": b"\\x00\\xff"}
trial |= {"seen": (1, None), "of": {2: "z\u00e4hl"}}
run = {"identity": "s/one/0", "history": [{"step": 10, "score": 0.5}], "diverged": None}
for _ in range(2):
    print(checkpoint.save(Folder(sys.argv[1]), 10, {**run, "trial": trial, "seconds": 1.5}))
assert "torch" not in sys.modules
"""


def test_a_process_without_torch_writes_what_torch_reads(folder: Folder) -> None:
    command = [sys.executable, "-c", WITHOUT_TORCH, folder.location]
    first, again = subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.split()
    assert first == again, "one state, one digest"
    trial = {
        "step": 10,
        "x": [0.1, -1e300, 2**80],
        "stream": b"\x00\xff",
        "seen": (1, None),
        "of": {2: "zähl"},
    }
    assert checkpoint.load(folder, first)["trial"] == trial
    assert torch.load(path(folder, first), weights_only=True)["trial"] == trial


def entries(content: bytes) -> dict[str, bytes]:
    """What an archive holds, by name without its folder."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def test_without_torch_the_entries_are_those_that_torch_writes(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = {**state(10), "trial": {"step": 10}}
    with monkeypatch.context() as patched:
        without_torch(patched)
        name = checkpoint.save(folder, 10, plain)
    ours, theirs = entries(path(folder, name).read_bytes()), entries(packed(plain))
    assert {"data.pkl", "byteorder", "version"} == ours.keys() <= theirs.keys()
    assert (ours["byteorder"], ours["version"]) == (theirs["byteorder"], theirs["version"])
    assert pickle.loads(ours["data.pkl"]) == pickle.loads(theirs["data.pkl"]) == plain


NUMBERS = {
    "mean": np.float64(0.1),
    "count": np.int64(-3),
    "half": np.float16(1.5),
    "done": np.bool_(True),
    "turned": np.arange(6.0).reshape(2, 3).T,
    "other order": np.arange(3.0).astype(">f8"),
    "none": np.zeros((0, 2), np.uint8),
    "stream": np.random.MT19937(3).state,
}


def same(one: object, other: object) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, np.ndarray | np.generic) and isinstance(other, np.ndarray | np.generic):
        return one.dtype == other.dtype.newbyteorder(one.dtype.byteorder) and np.array_equal(
            one, other
        )
    return type(one) is type(other) and one == other


def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets what looks whether torch was imported find that it was not."""
    monkeypatch.delitem(sys.modules, "torch")


@pytest.mark.parametrize("imported", [True, False])
def test_numbers_and_arrays_of_numpy_come_back(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, imported: bool
) -> None:
    with monkeypatch.context() as patched:
        if not imported:
            without_torch(patched)
        name = checkpoint.save(folder, 10, {**state(10), "trial": NUMBERS})
    assert same(checkpoint.load(folder, name)["trial"], NUMBERS)


@pytest.mark.parametrize("imported", [True, False])
def test_what_an_earlier_numpy_wrote_is_read(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, imported: bool
) -> None:
    """Its inner package had another name."""
    archive, written = io.BytesIO(), io.BytesIO(packed({**state(20), "trial": NUMBERS}))
    with zipfile.ZipFile(written) as new, zipfile.ZipFile(archive, "w") as old:
        for name in new.namelist():
            part = new.read(name)
            old.writestr(name, part.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    with monkeypatch.context() as patched:
        if not imported:
            without_torch(patched)
        assert strange(NUMBERS, archive.getvalue()) == []
    name = planted(folder, 20, archive.getvalue())
    assert same(checkpoint.load(folder, name)["trial"], NUMBERS)


STRANGE = {
    "pathlib.PosixPath": Path("x"),
    "a NumPy array of object": np.array([1, "x"], dtype=object),
    "a NumPy array of <U1": np.array(["x"]),
    "a NumPy array of [('a', '<f4')]": np.zeros(2, [("a", "<f4")]),
    "a NumPy array of datetime64[D]": np.datetime64("2026-11-28"),
    "numpy.random": np.random.default_rng(0),
}


@pytest.mark.parametrize("imported", [True, False])
@pytest.mark.parametrize("named", STRANGE)
def test_a_state_that_could_not_be_read_again_is_not_written(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, named: str, imported: bool
) -> None:
    earlier = checkpoint.save(folder, 10, state(10))
    trial = {"step": 20, "deep": [{"in": (1, STRANGE[named])}]}
    with monkeypatch.context() as patched:
        if not imported:
            without_torch(patched)
        said = f"the trial's state holds .*{re.escape(named)}.*; make it of dicts, lists, tensors"
        with pytest.raises(CheckpointError, match=said):
            checkpoint.save(folder, 20, {**state(20), "trial": trial})
    assert folder.names() == [earlier]


@pytest.mark.parametrize(
    "value", [np.array([1, "x"], dtype=object), np.zeros(2, [("a", object)]), np.array(["x"])]
)
def test_a_planted_array_of_anything_but_numbers_is_refused(folder: Folder, value: object) -> None:
    name = planted(folder, 20, packed({**state(20), "x": value}))
    with pytest.raises(CheckpointError, match="refused"):
        checkpoint.load(folder, name)


def test_what_a_gpu_saved_comes_back_on_the_cpu(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A generator's state can be set from the CPU only; networks and optimisers move the rest."""
    stream = torch.Generator().manual_seed(3)
    with monkeypatch.context() as at_saving:
        at_saving.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
        name = checkpoint.save(folder, 7, {**state(7), "trial": stream.get_state()})
    loaded = checkpoint.load(folder, name)["trial"]
    assert loaded.device.type == "cpu"
    torch.Generator().set_state(loaded)
    assert torch.equal(loaded, stream.get_state())


def test_the_two_newest_are_kept_in_order_of_their_steps(folder: Folder) -> None:
    for step in (5, 10, 100, 99):
        checkpoint.save(folder, step, state(step))
    assert usable(folder) == [100, 99]
    assert len(folder.names()) == 2


def test_a_folder_without_checkpoints_has_none(folder: Folder) -> None:
    assert usable(folder) == []


@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "longer"])
def test_of_a_torn_checkpoint_the_one_before_is_used(folder: Folder, damage: str) -> None:
    checkpoint.save(folder, 10, state(10))
    newest = path(folder, checkpoint.save(folder, 20, state(20)))
    content = bytearray(newest.read_bytes())
    middle = len(content) // 2
    flipped = bytes([*content[:middle], content[middle] ^ 1, *content[middle + 1 :]])
    damaged = {
        "cut": bytes(content[:middle]),
        "empty": b"",
        "flipped": flipped,
        "longer": bytes(content) + b"x",
    }
    newest.write_bytes(damaged[damage])
    torn, used = checkpoint.newest_first(folder)
    assert isinstance(torn, CheckpointError)
    assert f"{newest.name} is torn" in str(torn)
    assert not isinstance(used, CheckpointError)
    assert used["trial"]["step"] == 10


class Malice:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.mark,))


@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_a_planted_pickle_is_refused_and_not_run(folder: Folder, tmp_path: Path, how: str) -> None:
    mark = tmp_path / "it-ran"
    value = {**state(20), "x": Malice(mark)}
    checkpoint.save(folder, 10, state(10))
    planted(folder, 20, packed(value) if how == "torch" else pickle.dumps(value, protocol=2))
    refused, used = checkpoint.newest_first(folder)
    assert isinstance(refused, CheckpointError)
    assert "refused" in str(refused)
    assert not isinstance(used, CheckpointError)
    assert used["trial"]["step"] == 10
    assert not mark.exists()


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Changes a few bytes: anywhere in the file, or in the pickle of the archive, made anew around it."""
    if chance.random() < 0.5:
        return changed(content, chance)
    archive = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(archive, "w") as new:
        for name in old.namelist():
            part = old.read(name)
            new.writestr(name, changed(part, chance) if name.endswith("data.pkl") else part)
    return archive.getvalue()


def changed(content: bytes, chance: random.Random) -> bytes:
    made = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        made[chance.randrange(len(made))] = chance.randrange(256)
    return bytes(made[: chance.choice([len(made), len(made), chance.randrange(len(made))])])


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_of_a_checkpoint_that_somebody_changed_the_one_before_is_used(tmp_path: Path) -> None:
    content, causes = packed(state(20)), set()
    for seed in range(60):
        folder = Folder(str(tmp_path / str(seed)))
        checkpoint.save(folder, 10, state(10))
        planted(folder, 20, mutated(content, random.Random(seed)))
        newest, before = checkpoint.newest_first(folder)
        assert not isinstance(before, CheckpointError), f"seed {seed}"
        assert before["trial"]["step"] == 10
        if isinstance(newest, CheckpointError):
            causes.add(type(newest.__cause__))
            assert "\n" not in str(newest)
        else:
            assert newest.keys() >= checkpoint.KEYS
    assert len(causes) >= 4, f"nothing but {causes} was seen"


@pytest.mark.parametrize(
    "value", [None, [1, 2], "text", torch.zeros(2), {}, {"identity": "s/one/0"}]
)
def test_what_is_no_state_of_a_run_is_refused(folder: Folder, value: object) -> None:
    name = planted(folder, 20, packed(value))
    with pytest.raises(CheckpointError, match=f"{name} is refused: it is not the state of a run"):
        checkpoint.load(folder, name)


def test_a_checkpoint_that_goes_while_it_is_looked_for_is_passed_over(folder: Folder) -> None:
    for step in (10, 20):
        checkpoint.save(folder, step, state(step))
    known = checkpoint.names(folder)
    folder.remove(known[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoint, "names", lambda _: known)
        gone, before = checkpoint.newest_first(folder)
    assert isinstance(gone, CheckpointError)
    assert "is gone" in str(gone)
    assert not isinstance(before, CheckpointError)


def test_a_name_that_is_no_checkpoints_is_refused(folder: Folder) -> None:
    with pytest.raises(CheckpointError, match="not the name of a checkpoint"):
        checkpoint.load(folder, "../../etc/passwd")


def test_the_steps_of_checkpoints_are_known(folder: Folder) -> None:
    for step in (99, 100):
        checkpoint.save(folder, step, state(step))
    assert checkpoint.steps(folder) == [100, 99]


def test_what_cannot_be_read_is_said_with_its_name_and_why(folder: Folder) -> None:
    name = planted(folder, 20, b"no archive")
    said = f"{re.escape(name)} (cannot be read: [A-Za-z]+Error: .+|is refused: it holds more .*)"
    with pytest.raises(CheckpointError, match=said):
        checkpoint.load(folder, name)
    name = planted(folder, 20, packed(state(20))[:-30])
    with pytest.raises(
        CheckpointError, match=f"{re.escape(name)} cannot be read: RuntimeError: .+"
    ):
        checkpoint.load(folder, name)


def test_other_files_are_no_checkpoints(folder: Folder) -> None:
    checkpoint.save(folder, 10, state(10))
    folder.write("samples.png", b"x")
    folder.write("checkpoint-latest.pt", b"x")
    assert usable(folder) == [10]


def test_a_full_disk_leaves_the_earlier_checkpoints(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.save(folder, 10, state(10))
    checkpoint.save(folder, 20, state(20))

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoint.save(folder, 30, state(30))
    assert usable(folder) == [20, 10]
    assert len(folder.names()) == 2

"""A stranger's process: it is called, bounded, and survived."""

from __future__ import annotations

import ast
import os
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.verify.conftest import gone
from verify.api import SubjectError
from verify.audit import worker
from verify.audit.host import Hello, Host, Limits, hosted
from verify.audit.remote import RemoteSubject
from verify.audit.subject import foreign_subject
from verify.problems import UsageError

KNOWN = ("drift_loss_and_gradient", "uncond_weight")
QUICK = Limits(call_s=2.0, load_s=60.0, memory_mb=600)
GEN = np.zeros((2, 3, 4), np.float32)


@contextmanager
def served(folder: Path, body: str, limits: Limits = QUICK) -> Iterator[tuple[Hello, Any, Host]]:
    path = folder / "stranger.py"
    path.write_text("import numpy as np\n" + textwrap.dedent(body), encoding="utf-8")
    subject = foreign_subject(str(path), None)
    assert subject is not None
    with hosted(subject, KNOWN, limits) as host:
        hello = host.start()
        about = {
            "name": subject.name,
            "door": host.door,
            "domain": hello.domain,
            "capabilities": hello.capabilities,
        }
        remote = RemoteSubject(about)
        try:
            yield hello, remote, host
        finally:
            remote.close()


def fault(folder: Path, body: str, limits: Limits = QUICK) -> SubjectError:
    with (
        served(folder, f"def uncond_weight(alpha):\n{textwrap.indent(body, '    ')}", limits) as s,
        pytest.raises(SubjectError) as raised,
    ):
        s[1].uncond_weight(alpha=GEN)
    return raised.value


def test_arrays_go_there_and_back_as_they_are(tmp_path: Path) -> None:
    body = """
    def uncond_weight(alpha, extra=None):
        return {"same": alpha, "list": [1, 2.5, None, "x", True], "kinds": alpha.dtype.str}
    """
    for dtype in ("<f4", "<f8", "<i8", "|b1"):
        given = np.arange(6).reshape(2, 3).astype(dtype)
        with served(tmp_path, body) as (_, subject, _):
            found = subject.uncond_weight(alpha=given)
        assert found["kinds"] == dtype
        assert found["same"].dtype == given.dtype
        assert np.array_equal(found["same"], given)
        assert found["list"] == [1, 2.5, None, "x", True]


def test_what_it_prints_never_reaches_the_protocol(tmp_path: Path) -> None:
    body = """
    import os, sys
    print("at import", flush=True)
    def uncond_weight(alpha):
        print("x" * 100_000, flush=True)
        os.write(1, b"y" * 100_000)
        os.write(2, b"z" * 1_000_000)
        sys.stdin.read()
        return alpha
    """
    with served(tmp_path, body) as (_, subject, _):
        assert np.array_equal(subject.uncond_weight(alpha=GEN), GEN)


def test_an_exception_is_a_finding_that_names_the_input(tmp_path: Path) -> None:
    found = fault(tmp_path, "raise ValueError('no such thing')")
    assert found.kind == "raised"
    assert "ValueError: no such thing" in str(found)
    assert "stranger.py" in str(found)
    assert "alpha float32[2, 3, 4]" in str(found)


def test_an_exit_is_a_finding(tmp_path: Path) -> None:
    assert fault(tmp_path, "raise SystemExit(0)").kind == "raised"
    lost = fault(tmp_path, "import os; os._exit(7)")
    assert lost.kind == "died"
    assert "exit status 7" in str(lost)


def test_a_fork_that_comes_back_has_no_say(tmp_path: Path) -> None:
    body = """
    import os
    def uncond_weight(alpha):
        if os.fork() == 0:
            return alpha + 1
        os.wait()
        return alpha
    """
    with served(tmp_path, body) as (_, subject, _):
        for _ in range(3):
            assert np.array_equal(subject.uncond_weight(alpha=GEN), GEN)


def test_a_child_that_left_the_session_ends_with_it(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    body = f"""
    import os, time
    def uncond_weight(alpha):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                open({str(mark)!r}, "w").write(str(os.getpid()))
                time.sleep(600)
            os._exit(0)
        while not os.path.exists({str(mark)!r}):
            time.sleep(0.01)
        return alpha
    """
    with served(tmp_path, body) as (_, subject, _):
        subject.uncond_weight(alpha=GEN)
    assert gone(int(mark.read_text()))


@pytest.mark.parametrize("body", ["while True: pass", "import time; time.sleep(600)"])
def test_a_hang_ends_with_its_budget_and_the_next_call_is_served(tmp_path: Path, body: str) -> None:
    found = fault(tmp_path, body, Limits(call_s=0.5, load_s=60.0))
    assert found.kind == "hung"
    assert "0.5 s" in str(found)


def test_after_three_losses_it_is_not_called_again(tmp_path: Path) -> None:
    body = "import os\ndef uncond_weight(alpha):\n    os._exit(1)\n"
    kinds = []
    with served(tmp_path, body) as (_, subject, _):
        for _ in range(5):
            with pytest.raises(SubjectError) as raised:
                subject.uncond_weight(alpha=GEN)
            kinds.append(raised.value.kind)
    assert kinds == ["died", "died", "died", "gone", "gone"]


def test_memory_without_bound_is_stopped(tmp_path: Path) -> None:
    body = "kept = []\nwhile True:\n    kept.append(np.ones(4_000_000))\n"
    assert fault(tmp_path, body, Limits(call_s=60.0, load_s=60.0, memory_mb=400)).kind == "memory"


@pytest.mark.nightly
def test_an_answer_of_two_gigabytes_is_nonsense(tmp_path: Path) -> None:
    body = "return np.broadcast_to(np.float32(1), (1 << 29,))"
    found = fault(tmp_path, body, Limits(call_s=60.0, load_s=60.0, memory_mb=6000))
    assert found.kind in ("nonsense", "memory")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("return object()", "a object"),
        ("return np.array(['a'])", "<U1"),
        ("return np.array([1j])", "complex128"),
        ("return np.array([{}], dtype=object)", "object"),
        ("return {1: alpha}", "no strings"),
        ("x = []\nx.append(x)\nreturn x", "deep"),
    ],
)
def test_answers_that_are_no_numbers_are_nonsense(tmp_path: Path, answer: str, said: str) -> None:
    found = fault(tmp_path, answer)
    assert found.kind == "nonsense"
    assert said in str(found)


def test_writing_into_every_pipe_is_no_answer(tmp_path: Path) -> None:
    body = """
    for number in range(3, 64):
        try:
            os.write(number, b"\\0" * 40)
        except OSError:
            pass
    return alpha
    """
    found = fault(tmp_path, "import os\n" + textwrap.dedent(body))
    assert found.kind in ("nonsense", "died", "hung")


def test_nothing_in_its_environment_says_that_it_is_under_test(tmp_path: Path) -> None:
    os.environ["VERIFY_SECRET"] = "x"
    try:
        body = """
        import os
        def uncond_weight(alpha):
            return [name for name in os.environ]
        """
        with served(tmp_path, body) as (_, subject, _):
            names = subject.uncond_weight(alpha=GEN)
    finally:
        del os.environ["VERIFY_SECRET"]
    assert not [name for name in names if "VERIFY" in name or "PYTEST" in name or name == "CI"]


def test_a_tensor_elsewhere_is_named(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    found = fault(tmp_path, "import torch\nreturn torch.zeros(3, device='meta')", Limits())
    assert (found.kind, "device meta" in str(found)) == ("nonsense", True)
    found = fault(tmp_path, "import torch\nreturn torch.zeros(3, dtype=torch.bfloat16)", Limits())
    assert (found.kind, "bfloat16" in str(found)) == ("nonsense", True)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise RuntimeError('not here')", "RuntimeError: not here"),
        ("import no_such_package_at_all", "no_such_package_at_all"),
        ("import os; os._exit(3)", "exit status 3"),
        ("DOMAIN = 5", "DOMAIN is a int"),
    ],
)
def test_what_cannot_be_loaded_is_said(tmp_path: Path, body: str, said: str) -> None:
    with pytest.raises(UsageError, match=said), served(tmp_path, body):
        pass


def test_hello_says_which_code_it_is(tmp_path: Path) -> None:
    body = "DOMAIN = {'weights': 'none'}\ndef uncond_weight(alpha, *, generated=1):\n    return 1\n"
    with served(tmp_path, body) as (hello, _, _):
        assert hello.capabilities == {
            "uncond_weight": {"names": ["alpha", "generated"], "any": False}
        }
        assert hello.domain == {"weights": "none"}
        told = hello.provenance
    assert told["subject_file"] == "stranger.py"
    assert len(told["subject_sha256"]) == 64
    assert told["packages"]["numpy"] == np.__version__
    assert str(tmp_path) not in str(told)


FORMS = {
    "module": ("stranger.py", "def uncond_weight(alpha):\n    return 1.0\n"),
    "mapping": ("stranger.py:table", "table = {'uncond_weight': lambda alpha: 1.0}\n"),
    "object": (
        "stranger.py:it",
        "class T:\n    def uncond_weight(self, alpha):\n        return 1.0\nit = T()\n",
    ),
    "class": (
        "stranger.py:T",
        "class T:\n    def uncond_weight(self, alpha):\n        return 1.0\n",
    ),
    "function": ("stranger.py:uncond_weight", "def uncond_weight(alpha):\n    return 1.0\n"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_subject_may_be_a_module_a_mapping_an_object_a_class_or_a_function(
    tmp_path: Path, form: str
) -> None:
    name, body = FORMS[form]
    (tmp_path / "stranger.py").write_text(body, encoding="utf-8")
    subject = foreign_subject(str(tmp_path / name), None)
    assert subject is not None
    with hosted(subject, KNOWN, QUICK) as host:
        assert list(host.start().capabilities) == ["uncond_weight"]


def test_a_lone_function_of_any_name_is_the_loss(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def my_loss(gen, pos):\n    return gen, pos\n")
    subject = foreign_subject(f"{tmp_path / 'mine.py'}:my_loss", None)
    assert subject is not None
    with hosted(subject, KNOWN, QUICK) as host:
        assert list(host.start().capabilities) == ["drift_loss_and_gradient"]


def test_a_loss_of_torch_is_differentiated_for_it(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    body = """
    import torch
    def drift_loss(gen, pos, neg=None):
        return (gen ** 2).mean((1, 2)), {}
    """
    gen = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    with served(tmp_path, body, Limits(memory_mb=4096)) as (_, subject, _):
        loss, gradient = subject.drift_loss_and_gradient(gen=gen, pos=gen)
    assert np.allclose(loss, (gen**2).mean((1, 2)))
    assert np.allclose(gradient, 2 * gen / 12)


@pytest.mark.parametrize("name", ["no_such_file.py", "x.py:not a name", "1module:name", "a b:c"])
def test_what_is_no_subject_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="--subject: found"):
        foreign_subject(name, None)


def test_a_name_of_the_pack_is_left_to_the_pack() -> None:
    assert foreign_subject("community", None) is None


def test_an_interpreter_that_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="--python: found no program"):
        foreign_subject("json:loads", "/no/such/python")
    found = foreign_subject("json:loads", None)
    assert found is not None
    assert found.python == sys.executable


WORKER = Path(worker.__file__).parent


def test_the_worker_needs_the_standard_library_and_numpy_alone() -> None:
    allowed = {*sys.stdlib_module_names, "numpy"}
    for path in WORKER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert {name.partition(".")[0] for name in names} <= allowed, path.name


def test_nothing_of_the_worker_shadows_a_module_of_the_subject(tmp_path: Path) -> None:
    for name in ("frames", "served", "origin", "loop", "verify"):
        (tmp_path / f"{name}.py").write_text("HERE = True\n")
    body = """
    import frames, loop, origin, served, verify
    def uncond_weight(alpha):
        return all(one.HERE for one in (frames, loop, origin, served, verify))
    """
    with served(tmp_path, body) as (hello, subject, _):
        assert subject.uncond_weight(alpha=GEN) is True
    assert hello.provenance["beside"] == [
        "frames.py", "loop.py", "origin.py", "served.py", "verify.py",
    ]  # fmt: skip


def test_the_digest_of_what_lies_beside_the_subject_follows_its_text(tmp_path: Path) -> None:
    digests = []
    for text in ("A = 1\n", "A = 2\n"):
        (tmp_path / "beside.py").write_text(text)
        with served(tmp_path, "import beside\ndef uncond_weight(alpha):\n    return 1.0\n") as s:
            digests.append(s[0].provenance["beside_sha256"])
    assert digests[0] != digests[1]


HARMLESS = {
    "reversed and strided": "alpha.repeat(2, axis=-1)[..., ::2]",
    "Fortran order": "np.asfortranarray(alpha)",
    "big-endian": "alpha.astype('>f4')",
    "a view of something larger": "np.stack([alpha, alpha])[1]",
    "long double": "alpha.astype(np.longdouble)",
    "lists of numbers": "alpha.tolist()",
    "changed in place": "np.add(alpha, 0, out=alpha)",
    "float16": "alpha.astype(np.float16)",
    "read-only": "(alpha.setflags(write=False), alpha)[1]",
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_an_array_of_any_layout_arrives_as_its_numbers(tmp_path: Path, kind: str) -> None:
    given = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    body = f"def uncond_weight(alpha):\n    return {HARMLESS[kind]}\n"
    with served(tmp_path, body) as (_, subject, _):
        found = subject.uncond_weight(alpha=given)
    assert np.array_equal(np.asarray(found, np.float64), given)
    assert np.array_equal(given.ravel(), np.arange(24))


def test_numbers_without_a_shape_arrive_as_numbers(tmp_path: Path) -> None:
    body = (
        "def uncond_weight(alpha):\n    return [np.float32(1.5), np.array(2), 3, np.bool_(True)]\n"
    )
    with served(tmp_path, body) as (_, subject, _):
        assert [float(one) for one in subject.uncond_weight(alpha=GEN)] == [1.5, 2.0, 3.0, 1.0]


def test_a_generator_is_what_it_yields(tmp_path: Path) -> None:
    body = "def uncond_weight(alpha):\n    yield 'a', alpha\n    yield 'b', 1.0\n"
    with served(tmp_path, body) as (_, subject, _):
        assert [name for name, _ in subject.uncond_weight(alpha=GEN)] == ["a", "b"]


RUDE = {
    "interrupts": ("class K(KeyboardInterrupt): pass\nraise K('x')", "raised"),
    "exits by a class of its own": ("class S(SystemExit): pass\nraise S(3)", "raised"),
    "never stops calling itself": ("def f():\n    return f()\nreturn f()", "raised"),
    "an error that cannot be said": (
        "class E(Exception):\n    def __str__(self):\n        raise ValueError\nraise E",
        "raised",
    ),
    "closes every descriptor": ("import os\nos.closerange(0, 256)\nreturn alpha", "died"),
    "no end of numbers": ("while True:\n    yield alpha", "memory hung nonsense"),
}


@pytest.mark.parametrize("kind", RUDE)
def test_rudeness_ends_as_a_finding(tmp_path: Path, kind: str) -> None:
    body, kinds = RUDE[kind]
    found = fault(tmp_path, body, Limits(call_s=5.0, load_s=60.0, memory_mb=400))
    assert found.kind in kinds.split(), found


def test_a_subject_that_spoils_numpy_and_its_folder_spoils_its_own_process_alone(
    tmp_path: Path,
) -> None:
    body = """
    import os
    np.seterr(all="raise")
    np.ascontiguousarray = None
    def uncond_weight(alpha):
        os.rmdir(os.getcwd())
        return alpha + 1
    """
    with served(tmp_path, body) as (_, subject, host):
        with pytest.raises(SubjectError, match="NoneType"):
            subject.uncond_weight(alpha=GEN)
        with pytest.raises(SubjectError, match="FileNotFoundError"):
            subject.uncond_weight(alpha=GEN)
        assert Path(host.door).exists()


RECORDINGS = {
    "a context manager": """
        import contextlib
        def drift_loss_and_gradient(gen, pos):
            kept["distance"] = gen
            return gen, pos
        kept = {}
        @contextlib.contextmanager
        def recording():
            yield kept
        """,
    "a function": "def recording(gen, pos):\n    return {'distance': gen}\n",
    "pairs, one by one": "def recording(gen, pos):\n    yield 'distance', gen\n",
}


@pytest.mark.parametrize("form", RECORDINGS)
def test_stages_come_from_a_recording_of_any_form(tmp_path: Path, form: str) -> None:
    path = tmp_path / "stranger.py"
    path.write_text(textwrap.dedent(RECORDINGS[form]), encoding="utf-8")
    subject = foreign_subject(str(path), None)
    assert subject is not None
    with hosted(subject, ("drift_loss_and_gradient", "recording"), QUICK) as host:
        hello = host.start()
        remote = RemoteSubject(
            {"name": "it", "door": host.door, "domain": {}, "capabilities": hello.capabilities}
        )
        stages = dict(remote.recording(gen=GEN, pos=GEN))
        remote.close()
    assert np.array_equal(stages["distance"], GEN)


def test_a_recording_without_a_loss_to_record_is_said(tmp_path: Path) -> None:
    (tmp_path / "stranger.py").write_text("def recording():\n    return {}\n", encoding="utf-8")
    subject = foreign_subject(str(tmp_path / "stranger.py"), None)
    assert subject is not None
    with (
        hosted(subject, ("recording",), QUICK) as host,
        pytest.raises(UsageError, match="no drift_loss_and_gradient to run around"),
    ):
        host.start()

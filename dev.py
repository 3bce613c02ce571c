"""Set everything up in ``.venv`` and run one thing: ``python3 dev.py demo``, ``python3 dev.py test``.

Needs only Python 3.11 or newer. On Debian and Ubuntu, as root, the system libraries that Qt, OpenGL and the virtual
screen need are installed where they are missing; macOS and Windows need none. Arguments after the verb are passed on
(``python3 dev.py demo --gui``, ``python3 dev.py test -k codec``). Tests marked ``slow`` run only when asked for
(``python3 dev.py test -m slow``).
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
LIBRARIES = (  # what Qt 6, napari's canvas and the tests' virtual screen need from Debian
    "dbus-daemon libdbus-1-3 libegl1 libgl1 libgl1-mesa-dri libglib2.0-0 libfontconfig1 libxcb-cursor0 libxcb-icccm4 "
    "libxcb-image0 libxcb-keysyms1 libxcb-render-util0 libxcb-shape0 libxcb-xinerama0 libxcb-xkb1 libxkbcommon-x11-0 "
    "openbox pcmanfm xauth xdotool xvfb"
).split()

TRAINING_ROOMS = ("gain", "generators", "segmentation", "training")  # half of the time of tests without a window


def run(*command: str | Path, **options: object) -> None:
    """Run a command; its failure ends this program with the same exit code."""
    print("+", *command, file=sys.stderr, flush=True)
    code = subprocess.run([str(part) for part in command], cwd=ROOT, check=False, **options).returncode  # type: ignore[call-overload]
    if code:
        sys.exit(code)


def system_packages(*names: str) -> None:
    """Install missing packages with apt, or exit with the command to run where this is not allowed."""
    if not shutil.which("apt-get"):
        return
    listed = subprocess.run(["dpkg-query", "-W", "-f=${Package} ${Status}\n", *names], capture_output=True, text=True)
    present = {line.split()[0] for line in listed.stdout.splitlines() if line.endswith("install ok installed")}
    missing = [name for name in names if name not in present]
    if not missing:
        return
    if os.geteuid() != 0:
        sys.exit(f"Missing system packages. Run: sudo apt-get install {' '.join(missing)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    run("apt-get", "update", "-qq", env=environment, stdout=subprocess.DEVNULL)
    run(
        "apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing,
        env=environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def environment(extras: str) -> None:
    """Create ``.venv`` and install the project with its extras, once for each state of ``pyproject.toml``."""
    if sys.version_info < (3, 11):
        sys.exit(f"Python is {sys.version.split()[0]}, expected 3.11 or newer. Install a newer Python and use it here.")
    if not (BIN / "python").exists() and not (BIN / "python.exe").exists():
        if sys.platform == "linux" and not _has_ensurepip():
            system_packages(f"python3.{sys.version_info[1]}-venv")
        run(sys.executable, "-m", "venv", VENV)
    state = hashlib.sha256((ROOT / "pyproject.toml").read_bytes() + extras.encode()).hexdigest()
    stamp = VENV / "installed"
    if not stamp.exists() or stamp.read_text() != state:
        run(BIN / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", "-e", f".[{extras}]")
        stamp.write_text(state)


def _has_ensurepip() -> bool:
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        return False
    return True


def screen(number: int = 99) -> list[str]:
    """Return the prefix of commands that open windows: a virtual screen on Linux, so that none pops up during tests."""
    return ["xvfb-run", "-a", "-n", str(number), "-s", "-screen 0 1600x1000x24"] if sys.platform == "linux" else []


def test(arguments: list[str]) -> None:
    """Run the tests; all of them in three processes: those of the window, those that train most, the others."""
    pytest = [str(BIN / "python"), "-m", "pytest", "-m", "not slow"]
    if arguments:
        run(*screen(), *pytest, *arguments)
        return
    apart = [["tests/widgets"], [f"tests/core/{room}" for room in TRAINING_ROOMS]]
    others = [f"--ignore={folder}" for folders in apart for folder in folders]
    with contextlib.ExitStack() as stack:
        outputs = [stack.enter_context(tempfile.TemporaryFile()) for _ in apart]
        running = [
            subprocess.Popen([*screen(number), *pytest, *folders], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
            for number, folders, output in zip((199, 299), apart, outputs, strict=True)
        ]
        codes = [subprocess.run([*screen(), *pytest, *others], cwd=ROOT, check=False).returncode]
        for process, output in zip(running, outputs, strict=True):
            codes.append(process.wait())
            output.seek(0)
            shutil.copyfileobj(output, sys.stdout.buffer)
            sys.stdout.flush()
    sys.exit(max(codes, key=abs))


def main() -> None:
    """Run the command that the first argument names."""
    verb, *arguments = sys.argv[1:] or ["help"]
    if verb == "demo":
        gui = "--gui" in arguments
        if gui and sys.platform == "linux":
            system_packages(*LIBRARIES)
        environment("all,test")
        run(BIN / "organoid-synth", "demo", *arguments)
    elif verb == "test":
        if sys.platform == "linux":
            system_packages(*LIBRARIES)
        environment("all,test")
        test(arguments)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()

"""How long each dock takes from `open_dock` to shown, in processor seconds, which other programs do not lengthen.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/dock_opening.py [--rounds 5]

Every round opens all docks in a new viewer. The first round also imports modules; the median is of the others.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds

    import napari
    from qtpy.QtWidgets import QApplication

    from napari_organoid_synth.widgets.shared.menus import DOCKS, open_dock

    seconds: dict[str, list[float]] = {title: [] for title in DOCKS}
    for _ in range(rounds):
        viewer = napari.Viewer()
        app = QApplication.instance()
        for title in DOCKS:
            for _ in range(5):
                app.processEvents()
            start = time.process_time()
            widget = open_dock(viewer, title)
            while not widget.isVisible():
                app.processEvents()
            app.processEvents()
            seconds[title].append(time.process_time() - start)
        viewer.close()
        app.processEvents()
    for title, found in seconds.items():
        print(f"{title:12s} first {1000 * found[0]:5.0f} ms, median {1000 * statistics.median(found[1:]):5.0f} ms")
    print(f"all          median {1000 * sum(statistics.median(found[1:]) for found in seconds.values()):5.0f} ms")
    print(f"torch loaded: {'torch' in sys.modules}")


if __name__ == "__main__":
    main()

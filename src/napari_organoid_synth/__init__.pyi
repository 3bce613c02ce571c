# What `__init__.py` loads when it is asked for, written for type checkers and editors; a test compares the two.

from .core.adapt.adapt import adapt
from .core.adapt.settings import AdaptSettings
from .core.adapt.sketch import sketch
from .core.adapt.sketch_settings import SketchSettings
from .core.codec.spec import CodecSettings
from .core.errors import UserError
from .core.export.border_core import from_border_core as instances_from_border_core
from .core.export.export import export
from .core.export.settings import ExportSettings
from .core.gain.any_segmenter import measure_gain
from .core.gain.gain import gain, segment
from .core.gain.results import GainResult
from .core.gain.sentences import gain_text
from .core.gain.settings import GainSettings, SegmentSettings
from .core.job import Added, Control, Event, Failed, Finished, Previewed, Progress, Saved, Started, Warned, run_to_end
from .core.live.arrays import open_canvas
from .core.live.canvas import Canvas
from .core.map.build import map as make_map
from .core.map.settings import MapSettings
from .core.metrics.settings import ScoreSettings
from .core.pairs.discovery import find_pairs
from .core.pairs.loading import check_pairs, load_pairs
from .core.pairs.ome_tiff import read_image, read_labels, read_pair, write_pair
from .core.pairs.pair import SamplePair, Source
from .core.pairs.settings import TileSettings
from .core.pairs.split import split_table
from .core.pairs.table import PairEntry, PairTable
from .core.project import Project
from .core.quick_try import quick_try
from .core.recipe import Recipe, StartSettings, TrainSettings
from .core.report.report import write_report
from .core.runs.run import Run
from .core.runs.settings import ShareSettings
from .core.runs.sharing import import_model
from .core.runs.sharing import write_model_file as write_model
from .core.samples.store import SampleStore
from .core.scores.arrays import score_sets
from .core.scores.score import score
from .core.scores.storage import SetScores
from .core.segmentation.annotate import annotate
from .core.segmentation.predict import predict
from .core.segmentation.settings import AnnotateSettings, PredictSettings
from .core.simulators.population import PopulationSettings
from .core.simulators.population import population as simulate_population
from .core.simulators.population_fit import fit as fit_population
from .core.simulators.simulate import em as simulate_em
from .core.simulators.simulate import organoid_brightfield as simulate_organoids
from .core.simulators.simulate import tissue as simulate_tissue
from .core.studies.catalog import study_settings
from .core.studies.settings import StudySettings
from .core.studies.study import study
from .core.synthesis.arrays import make_pairs, paint
from .core.synthesis.fill_gaps import fill
from .core.synthesis.generate import generate
from .core.synthesis.pipeline import pipeline
from .core.synthesis.settings import FillSettings, GenerateSettings, PipelineSettings
from .core.training.train import train
from .core.try_settings import TrySettings
from .widgets.forms.form import settings_form

__version__: str
__all__ = [
    "AdaptSettings", "Added", "AnnotateSettings", "Canvas", "CodecSettings", "Control", "Event", "ExportSettings",
    "Failed", "FillSettings", "Finished", "GainResult", "GainSettings", "GenerateSettings", "MapSettings",
    "PairEntry", "PairTable", "PipelineSettings", "PopulationSettings", "PredictSettings", "Previewed",
    "Progress", "Project", "Recipe", "Run", "SamplePair", "SampleStore", "Saved", "ScoreSettings",
    "SegmentSettings", "SetScores", "ShareSettings", "SketchSettings", "Source", "StartSettings", "Started",
    "StudySettings", "TileSettings", "TrainSettings", "TrySettings", "UserError", "Warned", "__version__", "adapt",
    "annotate", "check_pairs", "export", "fill", "find_pairs", "fit_population", "gain", "gain_text", "generate",
    "import_model", "instances_from_border_core", "load_pairs", "make_map", "make_pairs", "measure_gain", "open_canvas",
    "paint", "pipeline", "predict", "quick_try", "read_image", "read_labels", "read_pair", "run_to_end", "score",
    "score_sets", "segment", "settings_form", "simulate_em", "simulate_organoids", "simulate_population",
    "simulate_tissue", "sketch", "split_table", "study", "study_settings", "train", "write_model",
    "write_pair", "write_report",
]  # fmt: skip

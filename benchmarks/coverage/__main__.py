"""`python -m benchmarks.coverage [--geometry | --audio] [MODEL_TYPE ...]`: examine models, write docs/coverage*."""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import torch
import transformers

from lens_models.image_tokens import GeometryReport

from .attention import AttentionError
from .audio import audio_types, examine_audio
from .audio_report import write_audio
from .examine import Outcome, WrongReadoutError, examine, model_types
from .forced import ForcedError
from .geometry import check_geometry, check_video_geometry
from .report import write_geometry, write_report


def main() -> int:
    """Examine, print a line a model type, write the report; 1 when a readout is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("model_types", nargs="*", help="model types to examine; without any, all, and docs are written")
    parser.add_argument("--out", type=Path, default=Path("docs"), help="folder of coverage.json and coverage.md")
    parser.add_argument("--geometry", action="store_true", help="the geometry of tokens of pictures and videos alone")
    parser.add_argument("--audio", action="store_true", help="model types that take sounds, instead of pictures")
    arguments = parser.parse_args()
    torch.set_num_threads(1)  # tiny models are slower with more
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    if arguments.audio:
        return _audio(arguments.model_types, arguments.out)
    if arguments.geometry:
        return _geometry(arguments.model_types, arguments.out)
    outcomes, wrong = [], 0
    for model_type in arguments.model_types or model_types():
        start = time.perf_counter()
        try:
            outcome = examine(model_type)
        except (WrongReadoutError, ForcedError, AttentionError) as error:
            wrong += 1
            print(f"{model_type:24} WRONG {error}", flush=True)
            continue
        outcomes.append(outcome)
        print(_line(outcome, time.perf_counter() - start), flush=True)
    if not arguments.model_types:
        write_report(outcomes, arguments.out)
        _geometry([], arguments.out)
    print(f"{sum(outcome.result == 'exact' for outcome in outcomes)} exact, {wrong} wrong, of {len(outcomes) + wrong}")
    return int(wrong > 0)


def _audio(chosen: list[str], out: Path) -> int:
    """Examine the model types that take sounds; an error, which stops, when a readout is wrong."""
    outcomes = []
    for model_type in chosen or audio_types():
        start = time.perf_counter()
        outcome = examine_audio(model_type)
        outcomes.append(outcome)
        figures = "" if outcome.deviation is None else f"{outcome.deviation:.1e} {outcome.forced:12}"
        seconds = time.perf_counter() - start
        print(f"{model_type:24} {outcome.result:12} {figures:22} {seconds:5.1f} s  {outcome.reason[:200]}", flush=True)
    if not chosen:
        write_audio(outcomes, out)
    print(dict(Counter(outcome.result for outcome in outcomes)))
    return 0


def _geometry(chosen: list[str], out: Path) -> int:
    """Paint spots of pictures and videos for each model type; 1 when a geometry is refuted."""
    found: dict[str, dict[str, GeometryReport | None]] = {"pictures": {}, "videos": {}}
    for model_type in chosen or model_types():
        for shown, check in (("pictures", check_geometry), ("videos", check_video_geometry)):
            start = time.perf_counter()
            report = found[shown][model_type] = check(model_type)
            if report is not None:
                print(_geometry_line(model_type, shown, report, time.perf_counter() - start), flush=True)
    if not chosen:
        write_geometry(found["pictures"], found["videos"], out)
    reports = [report for own in found.values() for report in own.values() if report is not None]
    print(dict(Counter(report.status for report in reports)))
    return int(any(report.status == "refuted" for report in reports))


def _geometry_line(model_type: str, shown: str, report: GeometryReport, seconds: float) -> str:
    figures = "" if report.figures is None else f"top-1 {report.figures.top1:.2f} of {report.figures.cases}"
    said = f"{model_type:24} {shown:8} {report.status:8} {report.tokens:5} {figures:18} {seconds:5.1f} s"
    return f"{said}  {report.reason[:200]}".rstrip()


def _line(outcome: Outcome, seconds: float) -> str:
    deviation = "" if outcome.deviation is None else f"{outcome.deviation:.1e}"
    forced = f"{outcome.forced:12}" + ("" if outcome.forced_deviation is None else f" {outcome.forced_deviation:.1e}")
    said = f"{outcome.model_type:24} {outcome.result:12} {deviation:8} {forced:20} {seconds:5.1f} s"
    return f"{said}  {outcome.reason[:200]} {outcome.forced_reason[:200]}".rstrip()


if __name__ == "__main__":
    sys.exit(main())

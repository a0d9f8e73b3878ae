"""Plans -> a page for a browser, or the files that Model Explorer reads."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence, Tuple

from lenet_exp.config.cli.graph_options import ExplainOptions
from lenet_exp.errors import DataError
from lenet_exp.precision.diagnosis.error_file import read_errors
from lenet_exp.precision.plan import Plan
from lenet_exp.precision.planning.reasons import refuses
from lenet_exp.precision.reporting import model_explorer, records
from lenet_exp.precision.reporting.heat import Heat
from lenet_exp.precision.reporting.page_model import Side, page_model
from lenet_exp.record.pages.plan import plan_page
from lenet_exp.record.run.run_files import write_bytes
from lenet_exp.record.terminal import short


def written(options: ExplainOptions, to: Path, plans: Sequence[Plan]) -> Tuple[str, Sequence[str]]:
    """Write to a file what shows one plan or two; return its place and what has to be said besides.

    Raises:
        LenetExpError: a word or a file of a person means nothing here.
        OSError: a file can't be written.
    """
    sides, changed, note = _sides(options, plans)
    measured = _measured(options, plans[0])
    if options.format == "html":
        files = {to: plan_page.render(page_model(sides, changed, measured))}
    else:
        made = model_explorer.files(sides, measured)
        files = {
            to.with_suffix(f".{name}.json") if name else to: text for name, text in made.items()
        }
    for path, content in files.items():
        write_bytes(path.resolve(), content)
    refused = [text for each in sides for text in each.report.warnings if refuses(text)]
    what = "page" if options.format == "html" else "model explorer"
    lines = [f"{what}: {', '.join(str(short(path.absolute())) for path in files)}"]
    return "\n".join(lines), (*note, *dict.fromkeys(refused))


def _sides(
    options: ExplainOptions, plans: Sequence[Plan]
) -> Tuple[List[Side], List[str], List[str]]:
    """Return what is shown of each plan, the operators that differ, and why nothing is left."""
    if len(plans) == 1:
        read = records.report(plans[0], options.only, options.without)
        return [Side(plans[0], read)], [], _note(read.view.note)
    first, second = map(records.report, plans)
    found = records.compare(first, second, options.only, options.without)
    sides = [Side(plan, each) for plan, each in zip(plans, (found.first, found.second))]
    return sides, [each.name for each in found.differences], _note(found.view.note)


def _note(text: str) -> List[str]:
    return [text] if text else []


def _measured(options: ExplainOptions, plan: Plan) -> Optional[Mapping[str, Heat]]:
    """Return what was measured of the plan's operators, None where nobody asks for it.

    Raises:
        DataError: the file isn't diagnose's, or is of another mode or graph.
    """
    if options.diagnosis is None:
        return None
    found = read_errors(options.diagnosis)
    mode = plan.mode.value
    if found.mode != mode:
        remedy = f"precision={found.mode}, or the diagnosis of {mode}"
        raise DataError(options.diagnosis, f"is of {found.mode}, not of {mode}", remedy)
    known: Dict[str, Heat] = {
        row.name: found.operators[row.name] for row in plan.operators if row.name in found.operators
    }
    if not known:
        remedy = "the diagnosis of this graph"
        raise DataError(options.diagnosis, "names no operator of the graph", remedy)
    return known

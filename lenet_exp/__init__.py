"""Train LeNet under the Ascend 910's precision modes and compare what comes out."""

import sys

__version__ = "0.1.0"


def _is_command() -> bool:
    """Return whether this is imported to run one of our commands, not by somebody's program."""
    frame = sys._getframe(2)  # noqa: SLF001 - no other way to know that early
    while frame.f_back is not None and "importlib" in frame.f_globals["__name__"]:
        frame = frame.f_back
    importer = frame.f_globals["__name__"]
    by_script = importer == "__main__" and sys.argv[0].endswith("lenet-exp")
    return by_script or (importer == "runpy" and sys.argv[:1] == ["-m"])


if _is_command():
    try:
        from lenet_exp.errors import end_quietly

        end_quietly()
    except KeyboardInterrupt:  # before there was anything to end it quietly
        sys.stderr.write("lenet-exp: interrupted\n")
        raise SystemExit(130) from None

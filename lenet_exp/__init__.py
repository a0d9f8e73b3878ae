"""Train LeNet under the Ascend 910's precision modes and compare what comes out."""

__version__ = "0.1.0"

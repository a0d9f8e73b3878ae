"""The vendor's package as a script imports it; all of it is in lenet_exp.script.bridge."""

from lenet_exp.script.bridge import modules
from lenet_exp.script.imports import say_if_alone

say_if_alone()
modules.install()

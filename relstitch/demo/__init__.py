"""The whole flow on real data and real encoders, without a network: what ``relstitch demo`` runs."""

from relstitch.demo.catalogue import DemoKind
from relstitch.demo.flow import DemoOptions, run_demo, stitch_materials
from relstitch.demo.folders import Cleaned
from relstitch.demo.preparing import DemoMaterials, DemoModel, announce, clean, materials, unpack

__all__ = [
    "Cleaned",
    "DemoKind",
    "DemoMaterials",
    "DemoModel",
    "DemoOptions",
    "announce",
    "clean",
    "materials",
    "run_demo",
    "stitch_materials",
    "unpack",
]

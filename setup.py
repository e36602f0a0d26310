"""The optional part of the build: the native pump.  Everything else is in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("tracerd/core/native")
C_FLAGS = ["-std=c11", "-O2", "-fvisibility=hidden", "-pthread"]

setup(
    ext_modules=[
        Extension(
            "tracerd.core._pump",
            sources=sorted(str(path) for path in NATIVE.glob("*.c")),
            depends=sorted(str(path) for path in NATIVE.glob("*.h")),
            define_macros=[("Py_LIMITED_API", "0x030B0000")],
            extra_compile_args=C_FLAGS,
            extra_link_args=["-pthread"],
            py_limited_api=True,
            optional=True,  # without a C compiler the pump in Python does it
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)

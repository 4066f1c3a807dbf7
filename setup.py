"""Packaging. Import name = folder name, so that Beam's ``--setup_file`` ships exactly what runs here."""

import runpy
from pathlib import Path

from setuptools import find_packages, setup

TRAIN = ["open_clip_torch>=3", "safetensors", "tensorboard", "torchvision"]
EXTRAS = {
    "train": TRAIN,
    "dataflow": ["apache-beam[gcp]>=2.70"],
    "lab": [*TRAIN, "scikit-image", "scikit-learn"],
    "hub": ["datasets>=5", "huggingface_hub>=2"],
    "s3": ["s3fs"],
    "search": ["faiss-cpu"],  # `zoetrope export --to faiss`
    "tokenizers": ["tokenizers"],  # towers that read captions with a tokenizer file, such as SigLIP's
}
DEVELOPMENT = [
    "datasets",
    "faiss-cpu",
    "furo",
    "hypothesis",
    "mlcroissant>=1.0.17",
    "mypy",
    "myst-parser",
    "playwright",
    "pytest",
    "pytest-timeout",
    "pytest-xdist",
    "ruff",
    "scikit-image",
    "scikit-learn",
    "sphinx",
    "tokenizers",
    "types-PyYAML",
    "types-tqdm",
    "wids",
]
DATA = ["py.typed", "assets/*", "assets/*/*", "assets/*/*/*"]
PACKAGES = ["zoetrope", "schemas", "storage", "transforms", "pipelines", "trainer", "preview", "lab"]

setup(
    name="zoetrope",
    version=runpy.run_path(str(Path(__file__).parent / "schemas" / "version.py"))["VERSION"],
    description="Image-caption corpora in, video-text training data and a trained CLIP2Video out",
    long_description=(Path(__file__).parent / "README.md").read_text()
    if (Path(__file__).parent / "README.md").exists()
    else "",
    long_description_content_type="text/markdown",
    author="the Zoetrope authors",
    license="Apache-2.0",
    license_files=["LICENSE"],
    keywords=[
        "video-text retrieval",
        "CLIP2Video",
        "WebDataset",
        "Apache Beam",
        "camera motion",
        "image captions",
    ],
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3.11",
        "Topic :: Multimedia :: Video",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
    python_requires=">=3.11",
    packages=[*find_packages(include=[p for name in PACKAGES for p in (name, f"{name}.*")]), "configs"],
    # configs/ holds data alone: it is installed next to the packages, where `zoetrope.shipped` finds it.
    package_data={
        **dict.fromkeys(PACKAGES, DATA),
        "configs": ["*/*.yaml"],
    },
    # A job, previews, the studio and gs:// need these. torch and kornia serve GPUs and the trainer.
    install_requires=[
        "apache-beam>=2.70",
        "aiohttp>=3.12",
        "av>=14",
        "braceexpand",
        "fsspec",
        "gcsfs",
        "google-cloud-storage",
        "ijson>=3.3",
        "jinja2>=3.1",
        "kornia>=0.8",
        "numpy>=2",
        # opencv-python without its GUI: the same `cv2`, and it imports on workers that have no libGL
        "opencv-python-headless>=5",
        "orjson",
        "pillow",
        "pyarrow>=17",
        "pydantic>=2.8",
        "pyyaml",
        "simplejpeg>=1.8",
        "torch>=2.6",
        "tqdm",
        "webdataset>=1.0",
    ],
    extras_require={
        **EXTRAS,
        "all": [name for extra in EXTRAS.values() for name in extra],
        "dev": DEVELOPMENT,
    },
    entry_points={"console_scripts": ["zoetrope = zoetrope.__main__:main"]},
)

"""Where the image data sets are published, with their sizes and checksums.

The MD5 sums are those that the authors give (CIFAR-10, Fashion-MNIST) or that have been in use for
the original MNIST archives for years; each SHA-256 sum is that of the bytes with this MD5 sum.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Published:
    """A published file.

    Attributes
    ----------
    path : str
        Where it belongs in the data directory; for an archive its name.
    urls : tuple of str
        Mirrors, in the order in which they are tried.
    size : int
        Bytes.
    checksum : str
        As ``sha256:...``.
    members : dict
        For a tar archive: the paths of the files wanted from it, and their checksums.
    """

    path: str
    urls: tuple[str, ...]
    size: int
    checksum: str
    members: dict[str, str] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """What stands in the data directory afterwards."""
        return tuple(self.members) or (self.path,)

    @property
    def offer(self) -> str:
        """What a download would do, in a sentence."""
        return (
            "With the option download=True, or --download on the command line, it is fetched from "
            f"{self.urls[0]} ({self.size / 1e6:.3g} MB, {self.checksum})."
        )


def _idx_files(folder: str, mirrors: tuple[str, ...], files: dict[str, tuple[int, str]]) -> list[Published]:
    return [
        Published(
            f"{folder}/{name}", tuple(f"{mirror}/{name}" for mirror in mirrors), size, f"sha256:{digest}"
        )
        for name, (size, digest) in files.items()
    ]


# Two mirrors: the original site no longer serves the archives.
MNIST = _idx_files(
    "MNIST/raw",
    ("https://ossci-datasets.s3.amazonaws.com/mnist", "https://storage.googleapis.com/cvdf-datasets/mnist"),
    {
        "train-images-idx3-ubyte.gz": (
            9912422,  # MD5 f68b3c2dcbeaaa9fbdd348bbdeb94873
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        ),
        "train-labels-idx1-ubyte.gz": (
            28881,  # MD5 d53e105ee54ea40749a09fcbcd1e9432
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        ),
        "t10k-images-idx3-ubyte.gz": (
            1648877,  # MD5 9fb629c4189551a2d022fa330f9573f3
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            4542,  # MD5 ec29112dd5afa0611ce80d1b7f02629c
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        ),
    },
)

FASHION_MNIST = _idx_files(
    "FashionMNIST/raw",
    (
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    ),
    {
        "train-images-idx3-ubyte.gz": (
            26421880,  # MD5 8d4fb7e6c68d591d4c3dfef9ec88bf0d
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        ),
        "train-labels-idx1-ubyte.gz": (
            29515,  # MD5 25c81989df183df01b3e8a0aad5dffbe
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        ),
        "t10k-images-idx3-ubyte.gz": (
            4422102,  # MD5 bef4ecab320f06d8554ea6380940ec79
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            5148,  # MD5 bb300cfdad3c16e7a12a480ee83cd310
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        ),
    },
)

# The archive has the MD5 sum c32a1d4ab5d03f1284b67883e8d87530.
CIFAR10 = [
    Published(
        "cifar-10-binary.tar.gz",
        (
            "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            "https://cave.cs.toronto.edu/kriz/cifar-10-binary.tar.gz",
        ),
        170052171,
        "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
        members={
            "cifar-10-batches-bin/data_batch_1.bin": "md5:5dd7e06a14cb22eb9f671a540d1b7c25",
            "cifar-10-batches-bin/data_batch_2.bin": "md5:5ea93a67294ea407fff1d09f752e9692",
            "cifar-10-batches-bin/data_batch_3.bin": "md5:942cd6a4bcdd0dd3c604fbe906cb4421",
            "cifar-10-batches-bin/data_batch_4.bin": "md5:ae636b3ba5c66a11e91e8cb52e771fcb",
            "cifar-10-batches-bin/data_batch_5.bin": "md5:53f37980c15c3d472c316c40844f3f0d",
            "cifar-10-batches-bin/test_batch.bin": "md5:803d5f7f4d78ea53de84dbe85f74fb6d",
        },
    )
]

"""Write NIR graphs and recordings with h5py, as the package nir does."""

import h5py
import numpy as np


def node(kind, **fields):
    return {"type": kind} | {name: np.asarray(value) for name, value in fields.items()}


def graph(nodes, edges):
    return {"type": "NIRGraph", "nodes": nodes, "edges": edges}


def chain(*names):
    return list(zip(names[:-1], names[1:], strict=True))


def write(path, root, version="1.0.8", compression=None):
    """Write a graph; a value that is no array or dict is stored as text."""
    with h5py.File(path, "w") as file:
        if version:
            file.create_dataset("version", data=version, dtype=h5py.string_dtype())
        _write(file.create_group("node"), root, compression)


def _write(group, content, compression):
    for name, value in content.items():
        if isinstance(value, dict):
            _write(group.create_group(name), value, compression)
        elif isinstance(value, np.ndarray):
            packed = compression if value.shape else None
            group.create_dataset(name, data=value, compression=packed)
        elif isinstance(value, str):
            group.create_dataset(name, data=value, dtype=h5py.string_dtype())
        else:
            group.create_dataset(name, data=value)


LIF = {"tau": [0.0025], "r": [1.0], "v_leak": [0.0], "v_threshold": [0.1]}


def lif(**changes):
    """Return input -> affine -> LIF -> output, one neuron."""
    return graph({"input": node("Input", shape=[1]),
                  "fc": node("Affine", weight=[[1.0]], bias=[0.0]),
                  "lif": node("LIF", **(LIF | changes)),
                  "output": node("Output", shape=[1])},
                 chain("input", "fc", "lif", "output"))

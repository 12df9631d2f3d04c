"""Make the modules of this folder, such as `answers`, importable in its folders."""

# refsnn 0.1.0 | fast/__init__.py | SPDX-License-Identifier: MIT | needs: python

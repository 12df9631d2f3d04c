"""The two tolerances of the suite; no test has one of its own."""

RTOL = 1e-10        # identities between independent routes, float64
RTOL_FD = 1e-6      # derivatives against finite differences, float64

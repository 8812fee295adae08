import matplotlib as mpl
import numpy as np

from jtdiag.figures import style


def test_lambdas_go_from_dark_to_light():
    grey = [
        np.dot(mpl.colors.to_rgb(style.lam_colour(lam)), (0.299, 0.587, 0.114))
        for lam in (0.0, 0.5, 0.8, 0.9, 0.95, 0.99, 1.0)
    ]
    assert (np.diff(grey) > 0.01).all()
    assert grey[-1] < 0.75  # still seen on white

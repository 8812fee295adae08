"""Are the predicted probabilities calibrated?"""

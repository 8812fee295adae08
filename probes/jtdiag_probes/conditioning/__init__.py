"""How ill-conditioned is the loss, by outputs and by weights?"""

"""How should the members be combined: averaged logits, votes, or a trained combiner?"""

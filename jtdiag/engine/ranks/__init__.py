"""One lane on several processes, which torchrun starts: members or examples are divided."""
